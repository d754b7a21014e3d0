"""The lost-job desk: orders nobody knows the fate of, and what is decided about them."""

from datetime import timedelta
from decimal import Decimal

import asyncpg

from studio.contracts.clip import ClipId
from studio.contracts.desk import Decision, DecisionKind, DecisionRow, LostCount, LostOrder, OrderFound
from studio.errors import InvalidRequest
from studio.store.order_rows import set_accepted, set_written_off
from studio.store.pool import Connection, Database

LONGEST_SENDING = timedelta(minutes=5)
"""An order that has been on its way for longer has no worker any more that could tell what became of it."""

_ORDERS = """
select id as submission_id, channel, video_id, number, attempt, provider, model, seconds, price_usd, reason, sent_at,
       credits_before, credits_after
  from submissions
"""
_IS_LOST = "(state = 'unknown' or (state = 'sent' and updated_at < now() - $1::interval))"
_ADOPTABLE = f"({_IS_LOST} or (state = 'settled' and verdict = 'written_off'))"
"""What was written off and turns up after all was paid for all the same."""

_FOUND = """
select id as submission_id, channel, video_id, number, state, task_id,
       exists (select 1 from submissions n
                where n.channel = s.channel and n.take = s.take and n.attempt > s.attempt) as superseded
  from submissions s
"""


class DeskStore:
    """Lists lost orders and carries decisions out; each is written down with who and why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lost(self, *, channel: str | None = None) -> list[LostOrder]:
        """All lost orders, the oldest first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"{_ORDERS} where {_IS_LOST} and ($2::text is null or channel = $2) order by sent_at, id",
                LONGEST_SENDING,
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
                      from submissions where {_IS_LOST}""",
                LONGEST_SENDING,
            )
        assert row is not None
        return LostCount(**dict(row))

    async def find(self, submission_id: str) -> LostOrder:
        """One lost order, by its id or the beginning of it.

        Raises:
            InvalidRequest: none is called so, or more than one.
        """
        found = [order for order in await self.lost() if order.submission_id.startswith(submission_id)]
        if len(found) != 1:
            raise InvalidRequest(f"{len(found) or 'no'} lost orders are called {submission_id}")
        return found[0]

    async def of_clip(self, clip: ClipId) -> LostOrder | None:
        """The lost order of a clip, when it has one."""
        orders = await self.lost(channel=clip.channel)
        return next((o for o in orders if (o.video_id, o.number) == (clip.video_id, clip.number)), None)

    async def newest_of_clip(self, clip: ClipId, *, words: str) -> OrderFound:
        """How the newest order of a clip stands.

        Raises:
            InvalidRequest: it was never ordered.
        """
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                f"""{_FOUND} where channel = $1 and video_id = $2 and number = $3
                     order by created_at desc, attempt desc limit 1""",
                clip.channel,
                clip.video_id,
                clip.number,
            )
        if row is None:
            raise InvalidRequest(f"{clip.name} was never ordered")
        return OrderFound(**dict(row), words=words)

    async def decided(self, clip: ClipId, kind: DecisionKind, *, who: str) -> int:
        """How often this was decided by `who` for the clips of the clip's film."""
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

    async def decide(self, decision: Decision, *, words: str, credits: Decimal | None = None) -> OrderFound:
        """Do as the decision says and write it down, in one transaction. Doing it again changes nothing.

        Args:
            words: what came of it, for the books.
            credits: the account's balance now, as evidence.

        Raises:
            InvalidRequest: the order is not lost, or the task is another order's.
        """
        async with self._database.transaction() as connection:
            among = _ADOPTABLE if decision.kind is DecisionKind.ADOPT else _IS_LOST
            row = await connection.fetchrow(
                f"{_ORDERS} where {among} and id = $2 for update", LONGEST_SENDING, decision.submission_id
            )
            if row is None:
                return await _done_before(connection, decision)
            await _carry_out(connection, decision)
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
            found = await connection.fetchrow(f"{_FOUND} where id = $1", decision.submission_id)
        assert found is not None
        return OrderFound(**dict(found), words=words)


async def _done_before(connection: Connection, decision: Decision) -> OrderFound:
    """A worker that carried it out may have died before it could say so."""
    outcome = await connection.fetchval(
        "select outcome from decisions where submission_id = $1 and kind = $2 and who = $3 and why = $4 limit 1",
        decision.submission_id,
        decision.kind,
        decision.who,
        decision.why,
    )
    found = await connection.fetchrow(f"{_FOUND} where id = $1", decision.submission_id)
    if found is None or outcome is None or found["task_id"] != decision.task_id:
        raise InvalidRequest(f"{decision.submission_id} is not a lost order")
    return OrderFound(**dict(found), words=outcome)


async def _carry_out(connection: Connection, decision: Decision) -> None:
    match decision.kind:
        case DecisionKind.ADOPT:
            if decision.task_id is None:
                raise InvalidRequest("which task is to be adopted?")
            try:
                await set_accepted(connection, decision.submission_id, decision.task_id)
            except asyncpg.UniqueViolationError:
                raise InvalidRequest(f"task {decision.task_id} is another order's") from None
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
