-- Downloads of paid clips that gave no usable file, by the digest of their bytes: a clip is bad only when the same
-- bytes came more than once. `link` counts the renewals of the address.
create table broken_downloads (
    channel  text not null,
    task_id  text not null,
    sha256   text not null,
    link     integer not null,
    times    integer not null default 1,
    reason   text not null,
    last_at  timestamptz not null default now(),
    primary key (channel, task_id, sha256, link)
);

-- How many clips in a row a provider has delivered wrong in the same way, over all videos.
create table delivery_streaks (
    provider   text primary key,
    fault      text not null,
    tasks      text[] not null,
    videos     text[] not null,
    updated_at timestamptz not null default now()
);
