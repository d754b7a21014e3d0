-- What a run of a video leaves to its next run: it does not travel through Temporal, whose payloads have a bound.

alter table videos add column takes text[] not null default '{}';

-- The whole outcome as the workflow knows it; a row that is older is looked for among the takes.
alter table clips add column outcome json;
