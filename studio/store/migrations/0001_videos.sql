-- Videos, their clips, what they cost, and every order sent to a provider.

create table videos (
    channel        text        not null,
    video_id       text        not null,
    workflow_id    text        not null,
    title          text        not null default '',
    provider       text        not null,
    status         text        not null,
    message        text        not null default '',
    clip_count     integer     not null,
    video_key       text,
    sheet_key      text,
    seconds        double precision,
    total_cost_usd numeric(14, 6) not null default 0,
    -- Milliseconds of workflow time of the last change: a late, older write never replaces a newer one.
    revision       bigint      not null,
    created_at     timestamptz not null default now(),
    updated_at     timestamptz not null default now(),
    primary key (channel, video_id)
);

create index videos_by_update on videos (updated_at desc);

create table clips (
    channel            text        not null,
    video_id           text        not null,
    number             integer     not null,
    status             text        not null,
    media_key          text,
    sha256             text,
    size_bytes         bigint,
    frames             integer,
    seconds            double precision,
    task_id            text,
    cost_usd           numeric(14, 6) not null default 0,
    generation_seconds double precision not null default 0,
    error_type         text,
    error              text,
    revision           bigint      not null,
    updated_at         timestamptz not null default now(),
    primary key (channel, video_id, number),
    foreign key (channel, video_id) references videos (channel, video_id) on delete cascade
);

create table video_costs (
    channel        text        not null,
    video_id       text        not null,
    component      text        not null,
    cost_usd       numeric(14, 6) not null,
    api_calls      integer     not null,
    units_consumed integer     not null,
    metadata       jsonb       not null default '{}',
    updated_at     timestamptz not null default now(),
    primary key (channel, video_id, component),
    foreign key (channel, video_id) references videos (channel, video_id) on delete cascade
);

-- One row per order. The row is there before the request is sent, so an order can never be sent twice unseen.
--   intended  written down, not sent
--   sent      on its way: from here on nobody may send it again
--   accepted  the provider gave a task id
--   settled   the provider is done; verdict and bill are known
--   refused   the provider said no; nothing was created
--   unknown   sent, and nobody knows what became of it
create table submissions (
    id             text        primary key,
    channel        text        not null,
    video_id       text        not null,
    number         integer     not null,
    take           text        not null,
    attempt        integer     not null,
    provider       text        not null,
    model          text        not null,
    seconds        integer     not null,
    state          text        not null
        check (state in ('intended', 'sent', 'accepted', 'settled', 'refused', 'unknown')),
    verdict        text        check (verdict in ('delivered', 'failed', 'bad')),
    task_id        text,
    price_usd      numeric(14, 6) not null,
    billed_usd     numeric(14, 6),
    billed_credits numeric(14, 4),
    tries          integer     not null default 0,
    -- Who moved the order from intended to sent: only he can say that he did not send it after all.
    claim          text,
    reason         text        not null default '',
    created_at     timestamptz not null default now(),
    sent_at        timestamptz,
    accepted_at    timestamptz,
    settled_at     timestamptz,
    updated_at     timestamptz not null default now(),
    unique (channel, video_id, number, take, attempt)
);

create unique index submissions_by_task on submissions (provider, task_id) where task_id is not null;
create index submissions_open on submissions (state, updated_at) where state in ('sent', 'accepted', 'unknown');
