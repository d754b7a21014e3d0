-- Amounts are finite and plausible. In PostgreSQL NaN is a numeric larger than all others, so an upper bound keeps it out.

alter table submissions
    add constraint submissions_amounts check (
        price_usd between 0 and 10000 and billed_usd between 0 and 10000 and billed_credits between 0 and 10000000
        and credits_before between -1000000000 and 1000000000 and credits_after between -1000000000 and 1000000000),
    add constraint submissions_accepted_has_task check (state <> 'accepted' or task_id is not null),
    add constraint submissions_settled_has_verdict check (state <> 'settled' or verdict is not null),
    -- When anyone last asked the provider about the task; when a video that waits for it did: leases that looks renew.
    add column looked_at      timestamptz,
    add column watched_at     timestamptz,
    -- Since when, and when last, the provider has answered without a break that it does not know the task.
    add column absent_since   timestamptz,
    add column absent_at      timestamptz,
    -- The account's balance agrees with a bill below the list price.
    add column bill_confirmed boolean not null default false,
    -- A delivered order's file was seen in a take or a video: it need not be looked for again.
    add column is_here        boolean not null default false;

alter table budgets     add constraint budgets_finite check (limit_usd between 0 and 10000000);
alter table takes       add constraint takes_cost check (cost_usd between 0 and 10000);
alter table clips       add constraint clips_cost check (cost_usd between 0 and 10000);
alter table video_costs add constraint video_costs_cost check (cost_usd between 0 and 10000000);
alter table videos       add constraint videos_cost check (total_cost_usd between 0 and 10000000);

-- For order recovery: which accepted and delivered orders have no file here.
create index submissions_delivered on submissions (settled_at) where state = 'settled' and verdict = 'delivered' and not is_here;
create index takes_by_task on takes (task_id) where task_id is not null;
create index clips_by_task on clips (task_id) where task_id is not null;

-- For the first bill of a model.
create index submissions_by_model on submissions (provider, model, settled_at);
