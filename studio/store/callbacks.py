"""The inbox of callbacks: what a provider told us stays in PostgreSQL until whoever waits for the order was told."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from studio.callback_address import CallbackSubject
from studio.store.pool import Database

SAME_EVENT = timedelta(seconds=5)
"""The same task of the same order within this time of its delivery is the same event."""
MOST_TASKS = 20
"""Tasks that may be named for one order; an order has one, so more are forged."""
KEPT = timedelta(days=14)
"""Age at which a row goes, delivered or not: no provider keeps a result for so long."""


class Taken(StrEnum):
    """What became of a callback at the inbox."""

    STORED = "stored"
    REPEATED = "repeated"
    """It is there already, and either waits or was delivered a moment ago."""
    UNKNOWN_ORDER = "unknown_order"


@dataclass(frozen=True)
class WaitingCallback:
    """A callback to deliver."""

    id: int
    submission_id: str
    task_id: str
    channel: str
    video_id: str
    number: int
    tries: int


class CallbackInbox:
    """Stores callbacks and hands them out for delivery, each to one gateway at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, subject: CallbackSubject, task_id: str) -> Taken:
        """Take a callback about an order of this clip. One indexed read when there is no such order.

        Raises:
            DatabaseUnavailable: it is not stored.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                """with known as (
                       select id from submissions
                        where id = $1 and channel = $2 and video_id = $3 and number = $4
                   ), stored as (
                       insert into callback_inbox (submission_id, task_id)
                       select id, $5 from known
                        where exists (select from callback_inbox where submission_id = $1 and task_id = $5)
                           or (select count(*) from callback_inbox where submission_id = $1) < $6
                       on conflict (submission_id, task_id) do update
                          set times = callback_inbox.times + 1, received_at = now(), next_try_at = now(), tries = 0,
                              delivered_at = null, outcome = ''
                        where callback_inbox.delivered_at < now() - $7::interval
                       returning id
                   )
                   select exists (select from known) as known, exists (select from stored) as stored""",
                subject.order_id,
                subject.channel,
                subject.video_id,
                subject.number,
                task_id,
                MOST_TASKS,
                SAME_EVENT,
            )
        assert row is not None
        if not row["known"]:
            return Taken.UNKNOWN_ORDER
        return Taken.STORED if row["stored"] else Taken.REPEATED

    async def claim(self, most: int, *, lease: timedelta) -> list[WaitingCallback]:
        """Callbacks that are due, the oldest first; nobody else is given them before `lease` is over."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                """update callback_inbox c set tries = c.tries + 1, next_try_at = now() + $2::interval
                     from submissions s
                    where s.id = c.submission_id
                      and c.id in (select id from callback_inbox
                                    where delivered_at is null and next_try_at <= now()
                                    order by next_try_at, id limit $1 for update skip locked)
                   returning c.id, c.submission_id, c.task_id, s.channel, s.video_id, s.number, c.tries""",
                most,
                lease,
            )
        return sorted((WaitingCallback(**dict(row)) for row in rows), key=lambda callback: callback.id)

    async def delivered(self, callback_id: int, outcome: str) -> None:
        """Whoever waits for the order was told."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "update callback_inbox set delivered_at = now(), outcome = $2 where id = $1", callback_id, outcome
            )

    async def put_off(self, callback_id: int, outcome: str, *, pause: timedelta) -> None:
        """It could not be delivered: not before `pause` is over is it tried again."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "update callback_inbox set next_try_at = now() + $3::interval, outcome = $2 where id = $1",
                callback_id,
                outcome,
                pause,
            )

    async def waiting(self) -> int:
        """How many are not delivered."""
        async with self._database.transaction() as connection:
            count = await connection.fetchval("select count(*) from callback_inbox where delivered_at is null")
        return int(count)

    async def sweep(self) -> int:
        """Delete what is older than `KEPT`; returns how many rows."""
        async with self._database.transaction() as connection:
            done = await connection.execute("delete from callback_inbox where received_at < now() - $1::interval", KEPT)
        return int(done.rpartition(" ")[2])
