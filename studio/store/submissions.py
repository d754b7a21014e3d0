"""The ledger of orders: what was meant, what was sent, what came of it.

    intended ──► sent ──► accepted ──► settled (delivered, failed, bad, written off)
        ▲          ├────► refused
        └──────────┤ (certainly nothing happened: 429, no connection)
                   └────► unknown ──► accepted (a receipt that came late, a callback, or a person found its task)
                                  └──► settled as written off

Books that are closed stay closed: only a task that the provider is seen to have opens a refused, failed or written-off
order again. An accepted order becomes unknown, never failed, when the provider does not know its task for long.

A row is written before the request leaves. Only one caller can move it from `intended` to `sent`, so an order is
sent at most once, however many workers, retries or resets there are. The key is channel, take and attempt: no run
id, so a video that is reset or started again finds its old orders, and no video, so two videos that want the same
take share one order. The video that sent it pays for it.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TypeVar

import asyncpg

from studio.contracts.clip import ClipId
from studio.contracts.money import OrderedClip
from studio.errors import BeingOrdered, SubmissionUnknown
from studio.store import order_rows
from studio.store.budgets import ensure_within
from studio.store.order_rows import LOOK_AGAIN
from studio.store.orders import COLUMNS, Order, State, Submission, Verdict, storable
from studio.store.pool import Database
from studio.store.unresolved import FILE_IS_HERE

T = TypeVar("T")

LONGEST_REQUEST = timedelta(seconds=90)
"""An order of another sender that has been on its way for longer is lost: its step was cut off by then."""

WANTED_BY = """
select channel, video_id, number from submissions where id = $1
union
select u.channel, u.video_id, u.number
  from submissions s join clip_takes u on u.channel = s.channel and u.take = s.take where s.id = $1
"""
"""An order's own clip, and those of other videos that want the same take."""

_BALANCE_AGREES = """coalesce(
    s.credits_before - $7::numeric between 0 and $5::numeric
    and not exists (select from submissions o
                     where o.provider = s.provider and o.id <> s.id and o.sent_at <= now()
                       and o.state not in ('intended', 'refused') and coalesce(o.settled_at, now()) >= s.sent_at),
    false)"""
"""The account lost no more than the bill says, and no other order was open meanwhile."""


class SubmissionLedger:
    """Every change of an order goes through here; each is one short transaction that may be repeated."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def intend(self, order: Order, *, sender: str, unsent_claim: str | None = None) -> Submission:
        """The order to work on: one that is already there, or a new one.

        An accepted order, or a settled one that delivered, is returned as it is, whichever clip of the channel
        ordered it: its task id is the way to the clip and nothing is ordered again. After a refusal or a failure
        a new attempt is written down.

        Args:
            sender: who would send it: its own id, with which its claims begin.
            unsent_claim: one whose owner knows that nothing was sent: such an order may be sent again.

        Raises:
            SubmissionUnknown: the last one was sent and it is not known what became of it.
            BeingOrdered: another sender sends it at this moment.
        """
        async with self._database.transaction() as connection:
            # One at a time per take, also when there is no row yet that could be locked.
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 1))", order_rows.line_of(order))
            last = await order_rows.last_of(connection, order)
            if last is None:
                return await order_rows.insert(connection, order, attempt=1)
            if last.state == "intended":
                taken = await order_rows.take_over(connection, last.id, order.clip)
                return _claimable(taken)
            if last.state in ("sent", "unknown") and unsent_claim is not None and last.claim == unsent_claim:
                await order_rows.set_unsent(connection, last.id, "it was not sent after all", unsent_claim)
                return replace(last, state="intended")
            if last.state == "sent":
                unknown = last.reason or "the worker stopped while the order was on its way"
                await order_rows.give_up(connection, last, unknown, sender=sender, longest=LONGEST_REQUEST)
            elif last.state == "unknown":
                unknown = last.reason
            elif last.state == "refused" or (last.state == "settled" and last.verdict != "delivered"):
                return await order_rows.insert(connection, order, attempt=last.attempt + 1)
            else:
                return last
        raise SubmissionUnknown(f"Ordered once, and it is not known whether it was accepted: {unknown}")

    async def send(self, order: Submission, claim: str, *, credits: Decimal | None = None) -> int:
        """Claim the right to send this order, and its price; returns how often that was done, this time included.

        Args:
            credits: the account's balance just before, as evidence.

        Raises:
            BeingOrdered: another sender took it, or the first order of its model has no bill yet.
            BudgetReached: its price does not fit into a budget any more.
        """
        async with self._database.transaction() as connection:
            # The claim comes first: when another sender has the order, the budget has no say in it.
            tries = await connection.fetchval(
                """update submissions
                      set state = 'sent', sent_at = now(), tries = tries + 1, claim = $2, reason = '',
                          credits_before = $3, updated_at = now()
                    where id = $1 and state = 'intended' and video_id = $4 and number = $5 returning tries""",
                order.id,
                claim,
                credits,
                order.video_id,
                order.number,
            )
            tries = _claimable(tries)
            await ensure_within(connection, order)
        return int(tries)

    async def put_back(self, submission_id: str, reason: str, *, claim: str) -> State | None:
        """Certainly nothing happened to the request of this claim: the order may be sent again.

        Returns the state before, for the caller to tell who gave it up; None when nothing changed.
        """
        async with self._database.transaction() as connection:
            return await order_rows.set_unsent(connection, submission_id, reason, claim)

    async def refuse(self, submission_id: str, reason: str, *, claim: str) -> State | None:
        """The provider said no to the request of this claim; nothing was created. Returns as `put_back`."""
        async with self._database.transaction() as connection:
            return await order_rows.set_refused(connection, submission_id, reason, claim)

    async def lose(
        self, submission_id: str, reason: str, *, task_id: str | None = None, claim: str | None = None
    ) -> None:
        """It is not known whether the provider accepted. `task_id`: one that its answer named all the same."""
        if task_id is not None:
            reason = f"{reason} (the answer named task {task_id})"
        async with self._database.transaction() as connection:
            await order_rows.set_unknown(connection, submission_id, reason, task_id=task_id, claim=claim)

    async def note_balance(self, submission_id: str, credits: Decimal) -> None:
        """The account's balance after an answer was lost: evidence."""
        async with self._database.transaction() as connection:
            await order_rows.note_balance(connection, submission_id, credits)

    async def accept(self, submission_id: str, task_id: str, *, proven: bool = False) -> State | None:
        """The provider accepted: this is the receipt, however late it comes.

        Returns the state before, for the caller to tell who gave the order up; None when the order has a task already:
        this one, which is a success, or another one, which is written down beside it.

        Args:
            proven: the provider was just seen working on the task: opens the books of an order that failed, too.

        Raises:
            SubmissionUnknown: that task is another order's, so what became of this one is not known.
        """
        try:
            async with self._database.transaction() as connection:
                was = await order_rows.set_accepted(connection, submission_id, task_id, proven=proven)
                if was is None:
                    await connection.execute(
                        """update submissions set reason = $3
                            where id = $1 and task_id <> $2 and strpos(reason, $2) = 0""",
                        submission_id,
                        task_id,
                        storable(f"the provider also accepted it as task {task_id}"),
                    )
                return was
        except asyncpg.UniqueViolationError:
            reason = f"the provider answered with task {task_id}, which is another order's"
            await self.lose(submission_id, reason)
            raise SubmissionUnknown(f"Ordered once, and it is not known whether it was accepted: {reason}") from None

    async def looked(self, submission_id: str, task_id: str, *, watching: bool) -> None:
        """The provider knows the task: renews the lease of who looks, and mends a receipt that was lost.

        Args:
            watching: a video waits for the order; until it has not looked for long, recovery leaves the order alone.
        """
        with suppress(asyncpg.UniqueViolationError):
            await self._change(
                """update submissions
                      set looked_at = now(), watched_at = case when $3 then now() else watched_at end,
                          absent_since = null, absent_at = null, state = 'accepted', task_id = $2,
                          reason = case when state = 'accepted' then reason else '' end,
                          accepted_at = case when state = 'accepted' then accepted_at else now() end,
                          updated_at = case when state = 'accepted' then updated_at else now() end
                    where id = $1 and state in ('sent', 'accepted', 'unknown') and coalesce(task_id, $2) = $2""",
                submission_id,
                task_id,
                watching,
            )

    async def watch(self, submission_id: str) -> None:
        """A video waits for the order, whatever its look came to."""
        await self._change(
            "update submissions set looked_at = now(), watched_at = now() where id = $1 and state <> 'settled'",
            submission_id,
        )

    async def absent(
        self, submission_id: str, task_id: str, *, lasting: timedelta, gap: timedelta, watching: bool
    ) -> bool | None:
        """The provider does not know the task of an accepted order. Absence is no proof: it is noted, not believed.

        True once it has been said without a break for `lasting` since the order was accepted: then the order is
        unknown, counts as paid, and is listed. None: the order does not wait for its task. Durations are PostgreSQL's.

        Args:
            gap: longest pause between two such answers that is no break.
        """
        async with self._database.transaction() as connection:
            over = await order_rows.note_absence(connection, submission_id, gap=gap, lasting=lasting, watching=watching)
            if over:
                await order_rows.set_forgotten(
                    connection, submission_id, f"the provider has not known its task {task_id} for {lasting}"
                )
        return over

    async def settle(
        self,
        submission_id: str,
        *,
        task_id: str,
        verdict: Verdict,
        billed_usd: Decimal,
        billed_credits: Decimal | None,
        reason: str = "",
        credits: Decimal | None = None,
    ) -> None:
        """The provider is done: what it delivered and what it billed. Also mends a lost receipt.

        Moves only forward, from sent, accepted and unknown: books that are closed stay as they are.

        Args:
            credits: the account's balance now. It confirms a bill below the list price if this order was alone.
        """
        await self._close(
            f"""update submissions s
                   set state = 'settled', task_id = $2, verdict = $3, billed_usd = $4, billed_credits = $5, reason = $6,
                       accepted_at = coalesce(accepted_at, now()), settled_at = now(), looked_at = now(),
                       updated_at = now(), bill_confirmed = {_BALANCE_AGREES}
                 where id = $1 and state in ('sent', 'accepted', 'unknown') and coalesce(task_id, $2) = $2""",
            submission_id,
            task_id,
            verdict,
            billed_usd,
            billed_credits,
            storable(reason),
            credits,
        )

    async def settle_late(self, submission_id: str, task_id: str, billed_usd: Decimal) -> None:
        """Close the books on a delivered order whose last look could not reach us."""
        await self._close(
            """update submissions
                  set state = 'settled', task_id = $2, verdict = 'delivered', billed_usd = $3,
                      accepted_at = coalesce(accepted_at, now()), settled_at = now(), updated_at = now()
                where id = $1 and state in ('sent', 'accepted', 'unknown') and coalesce(task_id, $2) = $2""",
            submission_id,
            task_id,
            billed_usd,
        )

    async def condemn(self, channel: str, task_id: str, reason: str) -> None:
        """The delivered file is not what was ordered: the next attempt orders anew. The bill stays."""
        await self._change(
            """update submissions
                  set state = 'settled', verdict = 'bad', reason = $3, billed_usd = coalesce(billed_usd, price_usd),
                      settled_at = coalesce(settled_at, now()), updated_at = now()
                where channel = $1 and task_id = $2
                  and (state in ('accepted', 'unknown') or verdict = 'delivered')""",
            channel,
            task_id,
            storable(reason),
        )

    async def find(self, submission_id: str) -> Submission | None:
        """One order."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(f"select {COLUMNS} from submissions where id = $1", submission_id)
        return Submission(**dict(row)) if row else None

    async def is_superseded(self, order: Submission) -> bool:
        """Was the same take ordered again after this?"""
        async with self._database.transaction() as connection:
            newest = await connection.fetchval(
                "select max(attempt) from submissions where channel = $1 and take = $2", order.channel, order.take
            )
        return bool(newest > order.attempt)

    async def newest(self, channel: str, takes: Sequence[str]) -> dict[str, Submission]:
        """The newest order of each of these takes that has one."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"""select distinct on (take) {COLUMNS} from submissions
                     where channel = $1 and take = any($2) order by take, attempt desc""",
                channel,
                list(takes),
            )
        return {row["take"]: Submission(**dict(row)) for row in rows}

    async def open_orders(self, clip: ClipId) -> list[Submission]:
        """The orders of a clip that may still be with the provider."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"""select {COLUMNS} from submissions
                     where channel = $1 and video_id = $2 and number = $3 and state in ('sent', 'accepted', 'unknown')
                     order by created_at""",
                clip.channel,
                clip.video_id,
                clip.number,
            )
        return [Submission(**dict(row)) for row in rows]

    async def in_flight(self, *, newer_than: timedelta, most: int) -> list[Submission]:
        """Orders of every clip that the provider may be working on, the newest first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"""select {COLUMNS} from submissions
                     where state in ('sent', 'accepted', 'unknown')
                       and coalesce(sent_at, created_at) > now() - $1::interval
                     order by created_at desc limit $2""",
                newer_than,
                most,
            )
        return [Submission(**dict(row)) for row in rows]

    async def is_watched(self, submission_id: str, *, within: timedelta) -> bool:
        """Has a video that waits for the order looked at it lately?"""
        async with self._database.transaction() as connection:
            return bool(
                await connection.fetchval(
                    "select watched_at > now() - $2::interval from submissions where id = $1", submission_id, within
                )
            )

    async def is_here(self, submission_id: str) -> bool:
        """Is the order's clip in a take or in a video?"""
        async with self._database.transaction() as connection:
            return bool(
                await connection.fetchval(
                    f"select exists (select from submissions s where s.id = $1 and {FILE_IS_HERE})", submission_id
                )
            )

    async def wanted_by(self, submission_id: str) -> list[ClipId]:
        """The clips that wait for this order: its own, and those of other videos that want the same take."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(WANTED_BY, submission_id)
        return [ClipId(**dict(row)) for row in rows]

    async def ordered(self, channel: str, video_id: str) -> list[OrderedClip]:
        """What the provider has accepted, or may have accepted, and not finished."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                """select number, task_id, price_usd as cost_usd from submissions
                    where channel = $1 and video_id = $2 and state in ('sent', 'accepted', 'unknown')
                    order by number, attempt""",
                channel,
                video_id,
            )
        return [OrderedClip(**dict(row)) for row in rows]

    async def _close(self, statement: str, submission_id: str, task_id: str, *arguments: object) -> None:
        try:
            await self._change(statement, submission_id, task_id, *arguments)
        except asyncpg.UniqueViolationError:
            await self.lose(submission_id, f"task {task_id} is another order's")

    async def _change(self, statement: str, *arguments: object) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(statement, *arguments)


def _claimable(found: T | None) -> T:
    """Raises `BeingOrdered` when the order was none that may be sent."""
    if found is None:
        raise BeingOrdered("Another worker sent this order a moment ago", retry_after=LOOK_AGAIN)
    return found
