"""Unresolved orders, and what is decided about them."""

from decimal import Decimal

import asyncpg

from studio.contracts.clip import ClipId
from studio.contracts.desk import Decision, DecisionKind, DecisionRow, LostCount, LostOrder, OrderFound
from studio.errors import InvalidRequest
from studio.store.order_rows import set_accepted, set_written_off
from studio.store.pool import Connection, Database
from studio.store.submissions import WANTED_BY
from studio.store.unresolved import IS_UNRESOLVED, LONGEST_SENDING, OVERDUE

_ORDERS = """
select id as submission_id, state, task_id, channel, video_id, number, attempt, provider, model, seconds, price_usd,
       reason, sent_at, now() - sent_at as age, credits_before, credits_after
  from submissions s
"""
_ADOPTABLE = f"""({IS_UNRESOLVED} or state = 'refused' or verdict = 'written_off'
    or (verdict = 'failed' and (task_id is distinct from $4 or $5)))"""
"""What was written off or refused, or failed as another task, and turns up after all was paid for all the same."""

_FOUND = """
select id as submission_id, channel, video_id, number, state, task_id,
       exists (select 1 from submissions n
                where n.channel = s.channel and n.take = s.take and n.attempt > s.attempt) as superseded
  from submissions s
"""


class DeskStore:
    """Lists unresolved orders and carries decisions out; each is written down with who and why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lost(self, *, channel: str | None = None) -> list[LostOrder]:
        """All unresolved orders, the oldest first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"{_ORDERS} where {IS_UNRESOLVED} and ($3::text is null or channel = $3) order by sent_at, id",
                LONGEST_SENDING,
                OVERDUE,
                channel,
            )
            return [
                LostOrder(**dict(row), decisions=await _decisions(connection, row["submission_id"])) for row in rows
            ]

    async def count(self) -> LostCount:
        """How many there are, and how long ago the oldest was sent."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                f"""select count(*) as open, coalesce(now() - min(sent_at), interval '0') as oldest
                      from submissions s where {IS_UNRESOLVED}""",
                LONGEST_SENDING,
                OVERDUE,
            )
        assert row is not None
        return LostCount(**dict(row))

    async def find(self, submission_id: str) -> LostOrder:
        """One unresolved order, by its id or the beginning of it.

        Raises:
            InvalidRequest: none is called so, or more than one.
        """
        found = [order for order in await self.lost() if order.submission_id.startswith(submission_id)]
        if len(found) != 1:
            raise InvalidRequest(f"{len(found) or 'no'} lost orders are called {submission_id}")
        return found[0]

    async def of_take(self, channel: str, take: str) -> LostOrder | None:
        """The unresolved order of a take, whichever video sent it."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                f"{_ORDERS} where {IS_UNRESOLVED} and channel = $3 and take = $4 order by attempt desc limit 1",
                LONGEST_SENDING,
                OVERDUE,
                channel,
                take,
            )
        return None if row is None else LostOrder(**dict(row))

    async def newest_of_take(self, channel: str, take: str, *, words: str) -> OrderFound:
        """How the newest order of a take stands.

        Raises:
            InvalidRequest: it was never ordered.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                f"{_FOUND} where channel = $1 and take = $2 order by attempt desc limit 1", channel, take
            )
        if row is None:
            raise InvalidRequest(f"take {take[:12]} was never ordered")
        return OrderFound(**dict(row), words=words)

    async def decided(self, clip: ClipId, kind: DecisionKind, *, who: str) -> int:
        """How often this was decided by `who` for the clips of the clip's video."""
        async with self._database.transaction() as connection:
            count = await connection.fetchval(
                """select count(*) from decisions d join submissions s on s.id = d.submission_id
                    where s.channel = $1 and s.video_id = $2 and d.kind = $3 and d.who = $4""",
                clip.channel,
                clip.video_id,
                kind,
                who,
            )
        return int(count)

    async def decide(
        self, decision: Decision, *, words: str, credits: Decimal | None = None, proven: bool = False
    ) -> OrderFound:
        """Do as the decision says and write it down, in one transaction. Doing it again changes nothing.

        Args:
            words: what came of it, for the books.
            credits: the account's balance now, as evidence.
            proven: the provider was just seen working on the task, or done with it.

        Raises:
            InvalidRequest: the order is not unresolved, or the task is another order's.
        """
        async with self._database.transaction() as connection:
            row = await _lock(connection, decision, proven)
            if row is None:
                return await _done_before(connection, decision)
            await _carry_out(connection, decision, task_id=row["task_id"], proven=proven)
            await connection.execute(
                "insert into decisions (submission_id, kind, who, why, outcome) values ($1, $2, $3, $4, $5)",
                decision.submission_id,
                decision.kind,
                decision.who,
                decision.why,
                words,
            )
            await connection.execute(
                "update submissions set credits_after = coalesce($2, credits_after) where id = $1",
                decision.submission_id,
                credits,
            )
            return await _found(connection, decision, words)


async def _lock(connection: Connection, decision: Decision, proven: bool) -> asyncpg.Record | None:
    """The order's row, when it is one that this can be decided about."""
    adopting = decision.kind is DecisionKind.ADOPT
    statement = f"{_ORDERS} where {_ADOPTABLE if adopting else IS_UNRESOLVED} and id = $3 for update"
    evidence = (decision.task_id, proven) if adopting else ()
    return await connection.fetchrow(statement, LONGEST_SENDING, OVERDUE, decision.submission_id, *evidence)


async def _found(connection: Connection, decision: Decision, words: str) -> OrderFound:
    row = await connection.fetchrow(f"{_FOUND} where id = $1", decision.submission_id)
    if row is None:
        raise InvalidRequest(f"{decision.submission_id} is not a lost order")
    wanted_by = [ClipId(**dict(clip)) for clip in await connection.fetch(WANTED_BY, decision.submission_id)]
    return OrderFound(**dict(row), wanted_by=wanted_by, words=words)


async def _done_before(connection: Connection, decision: Decision) -> OrderFound:
    """A worker that carried it out may have died before it could answer; and an order may have the task already."""
    outcome = await connection.fetchval(
        "select outcome from decisions where submission_id = $1 and kind = $2 and who = $3 and why = $4 limit 1",
        decision.submission_id,
        decision.kind,
        decision.who,
        decision.why,
    )
    adopting = decision.kind is DecisionKind.ADOPT
    found = await _found(connection, decision, outcome or f"the order has task {decision.task_id} already")
    if found.task_id != decision.task_id if adopting else outcome is None:
        raise InvalidRequest(f"{decision.submission_id} is not a lost order")
    return found


async def _carry_out(connection: Connection, decision: Decision, *, task_id: str | None, proven: bool) -> None:
    match decision.kind:
        case DecisionKind.ADOPT:
            if decision.task_id is None:
                raise InvalidRequest("which task is to be adopted?")
            try:
                was = await set_accepted(connection, decision.submission_id, decision.task_id, proven=proven)
            except asyncpg.UniqueViolationError:
                raise InvalidRequest(f"task {decision.task_id} is another order's") from None
            if was is None and task_id != decision.task_id:
                raise InvalidRequest(f"the order has another task already, {task_id}")
        case DecisionKind.WRITE_OFF | DecisionKind.RESUBMIT:
            await set_written_off(connection, decision.submission_id, f"written off by {decision.who}: {decision.why}")
        case DecisionKind.CHECK:
            pass


async def _decisions(connection: Connection, submission_id: str) -> list[DecisionRow]:
    rows = await connection.fetch(
        "select kind, who, why, outcome, decided_at from decisions where submission_id = $1 order by id",
        submission_id,
    )
    return [DecisionRow(**dict(row)) for row in rows]
