-- Lost orders: the evidence, and what was decided about them. Budgets: limits in USD.

alter table submissions
    add column credits_before numeric(14, 4),
    add column credits_after  numeric(14, 4),
    drop constraint submissions_verdict_check,
    add constraint submissions_verdict_check check (verdict in ('delivered', 'failed', 'bad', 'written_off'));

create index submissions_by_day on submissions (((sent_at at time zone 'utc')::date)) where sent_at is not null;

create table decisions (
    id            bigint      generated always as identity primary key,
    submission_id text        not null references submissions (id),
    kind          text        not null check (kind in ('adopt', 'check', 'write_off', 'resubmit')),
    who           text        not null,
    why           text        not null,
    outcome       text        not null,
    decided_at    timestamptz not null default now()
);

create index decisions_by_order on decisions (submission_id);

-- scope: `day`, `day/CHANNEL` or `video/CHANNEL/VIDEO`.
create table budgets (
    scope      text           primary key,
    limit_usd  numeric(14, 6) not null check (limit_usd >= 0),
    updated_at timestamptz    not null default now()
);
