-- Takes: what is made from the same inputs is made once in a channel, and paid once.

create table takes (
    channel       text        not null,
    take          text        not null,
    parts         jsonb       not null,
    -- For whom it was made.
    video_id      text        not null,
    number        integer     not null,
    -- Where it lies; null as long as it is only wanted.
    file          jsonb,
    cost_usd      numeric(14, 6) not null default 0,
    submission_id text,
    task_id       text,
    created_at    timestamptz not null default now(),
    made_at       timestamptz,
    primary key (channel, take)
);

-- Every take a clip ever had or wanted. Which one it has now stands in `clips`.
create table clip_takes (
    channel  text        not null,
    video_id text        not null,
    number   integer     not null,
    take     text        not null,
    used_at  timestamptz not null default now(),
    primary key (channel, video_id, number, take),
    foreign key (channel, take) references takes (channel, take)
);

create index clip_takes_by_take on clip_takes (channel, take);

alter table videos add column request jsonb;
alter table clips add column take text;

-- Orders made before there were takes: their digests mean something else, and may repeat within a channel.
update submissions set take = take || '/' || video_id || '/' || number;

alter table submissions
    drop constraint submissions_channel_video_id_number_take_attempt_key,
    add constraint submissions_by_take unique (channel, take, attempt);
