-- Callbacks of providers that were taken: a row stays until the video, or order recovery, has been told.
-- One row per order and task: the same callback again within seconds changes nothing.
create table callback_inbox (
    id            bigint      generated always as identity primary key,
    submission_id text        not null references submissions (id) on delete cascade,
    task_id       text        not null check (length(task_id) between 1 and 200),
    times         integer     not null default 1,
    received_at   timestamptz not null default now(),
    tries         integer     not null default 0,
    next_try_at   timestamptz not null default now(),
    delivered_at  timestamptz,
    outcome       text        not null default '',
    unique (submission_id, task_id)
);

create index callback_inbox_waiting on callback_inbox (next_try_at) where delivered_at is null;
create index callback_inbox_by_age on callback_inbox (received_at);
