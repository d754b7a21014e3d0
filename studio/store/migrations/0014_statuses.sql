-- How a video ended is written down even where none of our code ran; what it has cost has one definition.

-- One row per video and provider. An order counts where it was sent from: the video that sent it pays for it.
create view video_spending as
select channel, video_id, provider,
       coalesce(sum(coalesce(billed_usd, price_usd)) filter (where state = 'settled'), 0) as cost_usd,
       -- With the provider, or perhaps: at list price.
       coalesce(sum(price_usd) filter (where state in ('sent', 'accepted', 'unknown')), 0) as open_usd,
       coalesce(sum(coalesce(billed_usd, price_usd) - price_usd) filter (where state = 'settled'), 0) as over_estimate_usd,
       coalesce(sum(billed_credits), 0) as credits,
       coalesce(sum(tries), 0) as tries,
       count(*) filter (where verdict = 'delivered') as delivered,
       count(*) filter (where verdict in ('failed', 'bad')) as failed,
       count(*) filter (where verdict = 'written_off') as written_off,
       count(*) filter (where state in ('sent', 'accepted', 'unknown')) as open
  from submissions
 where state <> 'intended'
 group by channel, video_id, provider;

create index submissions_by_video on submissions (channel, video_id);

alter table videos
    -- The result as the workflow returned it: Temporal forgets it after its retention.
    add column result     json,
    -- When the row of a video that has not ended was last compared with its workflow.
    add column checked_at timestamptz not null default now();

create index videos_open on videos (checked_at) where status in ('queued', 'processing', 'video_error', 'budget_reached');
create index videos_by_workflow on videos (workflow_id);

-- Work that one process does for all, until when it is its own.
create table leases (
    name  text        primary key,
    until timestamptz not null
);
