"""What providers delivered that could not be used: broken downloads of one clip, and clips that are bad in a row."""

from dataclasses import dataclass

from studio.store.pool import Database

LONGEST_STREAK = 20
"""Clips of a streak that are remembered."""


@dataclass(frozen=True)
class SameBytes:
    """How often a clip's downloads gave these same bytes."""

    times: int
    links: int
    """Through how many addresses of the file."""
    tries: int
    """How often the newest address gave no usable file, whatever bytes."""


@dataclass(frozen=True)
class Streak:
    """The newest clips of a provider, all with the same fault."""

    clips: int
    videos: int


class DeliveryStore:
    """Remembers deliveries over workers and videos."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def broken(self, channel: str, task_id: str, sha256: str, *, link: int, reason: str) -> SameBytes:
        """Write a download down that gave no usable file; returns how often these bytes have come, this one included.

        Args:
            link: how often the file's address was renewed before.
        """
        async with self._database.transaction() as connection:
            await connection.execute(
                """insert into broken_downloads (channel, task_id, sha256, link, reason) values ($1, $2, $3, $4, $5)
                   on conflict (channel, task_id, sha256, link) do update
                      set times = broken_downloads.times + 1, reason = excluded.reason, last_at = now()""",
                channel,
                task_id,
                sha256,
                link,
                reason,
            )
            row = await connection.fetchrow(
                """select sum(times) filter (where sha256 = $3)::int as times,
                          count(*) filter (where sha256 = $3)::int as links,
                          sum(times) filter (where link = $4)::int as tries
                     from broken_downloads where channel = $1 and task_id = $2""",
                channel,
                task_id,
                sha256,
                link,
            )
        assert row is not None
        return SameBytes(**dict(row))

    async def good(self, provider: str) -> None:
        """A clip came as it was ordered: no streak goes on."""
        async with self._database.transaction() as connection:
            await connection.execute("delete from delivery_streaks where provider = $1", provider)

    async def faulty(self, provider: str, fault: str, *, task_id: str, video: str) -> Streak:
        """A clip came with this fault; returns how many in a row have had it. Telling it again changes nothing."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                """insert into delivery_streaks as s (provider, fault, tasks, videos)
                   values ($1, $2, array[$3], array[$4])
                   on conflict (provider) do update set
                       tasks = case when s.fault <> $2 then array[$3] when $3 = any(s.tasks) then s.tasks
                                    else (array[$3] || s.tasks)[1:$5] end,
                       videos = case when s.fault <> $2 then array[$4] when $3 = any(s.tasks) then s.videos
                                     else (array[$4] || s.videos)[1:$5] end,
                       fault = $2, updated_at = now()
                   returning cardinality(tasks) as clips,
                             (select count(distinct one)::int from unnest(videos) one) as videos""",
                provider,
                fault,
                task_id,
                video,
                LONGEST_STREAK,
            )
        assert row is not None
        return Streak(clips=row["clips"], videos=row["videos"])
