"""Paid orders whose clip is not here: which of them a person has to resolve, which recovery still has to take up.

The invariant of the ledger: every accepted or delivered order is in a video, in a take, or among the unresolved
orders. `ORPHANED` is its negation in one query.
"""

from dataclasses import dataclass
from datetime import timedelta

from studio.store.pool import Database

LONGEST_SENDING = timedelta(minutes=5)
"""An order that has been on its way for longer has no worker any more that could tell what became of it."""
OVERDUE = timedelta(minutes=30)
"""Twice the longest clip: accepted orders not finished by then, and delivered ones without a file, are listed."""
RECOVERABLE_FOR = timedelta(days=30)
"""After that the provider has neither task nor file any more; asking is no use."""

FILE_IS_HERE = """(
    exists (select from takes t where t.task_id = s.task_id and t.channel = s.channel and t.file is not null)
    or exists (select from clips c where c.task_id = s.task_id and c.channel = s.channel and c.status = 'done'))"""
"""The order `s` is in a take or in a video."""

_DELIVERED = "(s.state = 'settled' and s.verdict = 'delivered' and not s.is_here)"
"""Not seen here so far. `is_here` spares looking again; it is set by recovery, and what it says never changes back."""

_MARK = f"update submissions s set is_here = true where {_DELIVERED} and {FILE_IS_HERE}"

IS_UNRESOLVED = f"""(
    s.state = 'unknown'
    or (s.state = 'sent' and s.updated_at < now() - $1::interval)
    or (s.state = 'accepted' and s.accepted_at < now() - $2::interval)
    or ({_DELIVERED} and s.settled_at < now() - $2::interval and not {FILE_IS_HERE}))"""
"""A person has to look at the order `s`. $1: `LONGEST_SENDING`, $2: `OVERDUE`."""

_ORPHANED = f"""
select s.id as submission_id, s.channel, s.video_id, s.number, s.state, s.task_id,
       now() - coalesce(s.looked_at, s.settled_at, s.accepted_at) as unwatched
  from submissions s
 where (s.state = 'accepted' or {_DELIVERED})
   and coalesce(s.looked_at, s.settled_at, s.accepted_at) < now() - $3::interval
   and not {FILE_IS_HERE}
   and not {IS_UNRESOLVED}
 order by s.accepted_at, s.id
"""

# Handing an order out renews its lease, so that however many workers ask, one takes it up, and not at once again. What
# cannot be recovered is tried ever more rarely: after a quarter of its age.
_HAND_OUT = f"""
update submissions s
   set looked_at = now()
 where s.id in (
    select s.id from submissions s
     where ((s.state = 'accepted'
             and coalesce(s.looked_at, s.accepted_at)
                 < now() - greatest($1::interval, (now() - s.accepted_at - $3::interval) / 4))
         or (s.state = 'unknown' and s.task_id is not null and s.updated_at > now() - $4::interval
             and coalesce(s.looked_at, s.updated_at) < now() - greatest($1::interval, (now() - s.updated_at) / 4))
         or ({_DELIVERED} and s.settled_at > now() - $4::interval
             and coalesce(s.looked_at, s.settled_at) < now() - greatest($2::interval, (now() - s.settled_at) / 4)
             and not {FILE_IS_HERE}))
     order by s.looked_at nulls first, s.id limit $5 for update skip locked)
returning s.id
"""


@dataclass(frozen=True)
class OrphanedOrder:
    """A paid order that no video waits for, whose clip is not here, and that is not listed as unresolved."""

    submission_id: str
    channel: str
    video_id: str
    number: int
    state: str
    task_id: str
    unwatched: timedelta
    """Since the last look at it."""


class UnresolvedOrders:
    """Reads the ledger for orders without a video. All durations are measured by PostgreSQL's clock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orphaned(self, *, unwatched: timedelta) -> list[OrphanedOrder]:
        """The orders that violate the invariant: accepted or delivered, in no video, no take, and not unresolved.

        Args:
            unwatched: since when nobody has asked the provider about them; less than that, and a video may still
                wait for them. Zero once nothing runs any more.
        """
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_ORPHANED, LONGEST_SENDING, OVERDUE, unwatched)
        return [OrphanedOrder(**dict(row)) for row in rows]

    async def hand_out(self, *, unwatched: timedelta, undelivered: timedelta, limit: int = 20) -> list[str]:
        """Take orders up that need recovery: the ids of accepted ones without a video, unknown ones with a task, and
        delivered ones without a file. Each is handed out once and not again for a while.

        Args:
            unwatched: since when no look at an accepted or unknown order.
            undelivered: how long a delivered order's file may take to get here.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_MARK)
            rows = await connection.fetch(_HAND_OUT, unwatched, undelivered, OVERDUE, RECOVERABLE_FOR, limit)
        return [row["id"] for row in rows]
