-- When the next request to a service may be sent, over all workers. One row per service.
create table paces (
    service text        primary key,
    free_at timestamptz not null
);
