-- The ComfyUI servers that have a worker, as their workers told last. A worker that is gone tells nothing any more.
create table gpu_servers (
    name    text        primary key,
    worker  text        not null,
    busy    boolean     not null,
    away    text        not null,
    seen_at timestamptz not null default now()
);
