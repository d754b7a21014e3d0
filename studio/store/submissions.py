"""The ledger of orders: what was meant, what was sent, what came of it.

    intended ──► sent ──► accepted ──► settled
        ▲          ├────► refused
        └──────────┤ (certainly nothing happened: 429, no connection)
                   └────► unknown ──► accepted (a callback, or a person, found its task)
                                  └──► settled as written off

A row is written before the request leaves. Only one caller can move it from `intended` to `sent`, so an order is
sent at most once, however many workers, retries or resets there are. The key is channel, take and attempt: no run
id, so a film that is reset or started again finds its old orders, and no film, so two films that want the same
take share one order. The film that sent it pays for it.
"""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

import asyncpg

from studio.contracts.clip import ClipId
from studio.contracts.money import OrderedClip
from studio.errors import BeingOrdered, SubmissionUnknown
from studio.store import order_rows
from studio.store.budgets import ensure_within
from studio.store.orders import COLUMNS, Order, Submission, Verdict
from studio.store.pool import Database

LONGEST_REQUEST = timedelta(seconds=90)
"""An order of somebody else's that has been on its way for longer is lost: his step was cut off by then."""
LOOK_AGAIN = timedelta(seconds=2)
"""When to look again at an order that somebody else sends."""


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
            sender: who would send it; claims of his begin with it.
            unsent_claim: one whose owner knows that he did not send: such an order may be sent again.

        Raises:
            SubmissionUnknown: the last one was sent and nobody knows what became of it.
            BeingOrdered: another sender sends it at this moment.
        """
        async with self._database.transaction() as connection:
            # One at a time per take, also when there is no row yet that could be locked.
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 1))", order_rows.line_of(order))
            last = await order_rows.last_of(connection, order)
            if last is None:
                return await order_rows.insert(connection, order, attempt=1)
            if last.state == "intended":
                return await order_rows.take_over(connection, last.id, order.clip)
            if last.state == "sent" and unsent_claim is not None and last.claim == unsent_claim:
                return await order_rows.put_back(connection, last.id)
            if last.state == "sent":
                if not (last.claim or "").startswith(sender) and not await order_rows.is_older(
                    connection, last.id, LONGEST_REQUEST
                ):
                    raise BeingOrdered("Another clip orders the same take", retry_after=LOOK_AGAIN)
                unknown = last.reason or "the worker stopped while the order was on its way"
                await order_rows.set_unknown(connection, last.id, unknown)
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
            BudgetReached: its price does not fit into a budget any more.
            BeingOrdered: somebody else took it.
        """
        async with self._database.transaction() as connection:
            await ensure_within(connection, channel=order.channel, video_id=order.video_id, price_usd=order.price_usd)
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
        if tries is None:
            raise BeingOrdered("Another worker sent this order a moment ago", retry_after=LOOK_AGAIN)
        return int(tries)

    async def put_back(self, submission_id: str, reason: str) -> None:
        """Certainly nothing happened: the order may be sent again."""
        await self._change(
            """update submissions set state = 'intended', reason = $2, updated_at = now()
                where id = $1 and state = 'sent'""",
            submission_id,
            reason,
        )

    async def refuse(self, submission_id: str, reason: str) -> None:
        """The provider said no; nothing was created."""
        await self._change(
            """update submissions set state = 'refused', reason = $2, updated_at = now()
                where id = $1 and state in ('intended', 'sent')""",
            submission_id,
            reason,
        )

    async def lose(self, submission_id: str, reason: str, *, credits: Decimal | None = None) -> None:
        """Nobody knows whether the provider accepted. `credits`: the account's balance now, as evidence."""
        async with self._database.transaction() as connection:
            await order_rows.set_unknown(connection, submission_id, reason, credits)

    async def accept(self, submission_id: str, task_id: str) -> None:
        """The provider accepted: this is the receipt.

        Raises:
            SubmissionUnknown: that task is another order's, so what became of this one nobody knows.
        """
        try:
            async with self._database.transaction() as connection:
                await order_rows.set_accepted(connection, submission_id, task_id)
        except asyncpg.UniqueViolationError:
            reason = f"the provider answered with task {task_id}, which is another order's"
            await self.lose(submission_id, reason)
            raise SubmissionUnknown(f"Ordered once, and it is not known whether it was accepted: {reason}") from None

    async def settle(
        self,
        submission_id: str,
        *,
        task_id: str,
        verdict: Verdict,
        billed_usd: Decimal,
        billed_credits: Decimal | None,
        reason: str = "",
    ) -> None:
        """The provider is done: what it delivered and what it billed. Also mends a lost receipt."""
        await self._change(
            """update submissions
                  set state = 'settled', task_id = $2, verdict = $3, billed_usd = $4, billed_credits = $5, reason = $6,
                      accepted_at = coalesce(accepted_at, now()), settled_at = coalesce(settled_at, now()),
                      updated_at = now()
                where id = $1""",
            submission_id,
            task_id,
            verdict,
            billed_usd,
            billed_credits,
            reason,
        )

    async def settle_late(self, submission_id: str, task_id: str, billed_usd: Decimal) -> None:
        """Close the books on a delivered order whose last look could not reach us."""
        await self._change(
            """update submissions
                  set state = 'settled', task_id = $2, verdict = 'delivered', billed_usd = $3,
                      accepted_at = coalesce(accepted_at, now()), settled_at = now(), updated_at = now()
                where id = $1 and state <> 'settled'""",
            submission_id,
            task_id,
            billed_usd,
        )

    async def condemn(self, channel: str, take: str, task_id: str, reason: str) -> None:
        """The delivered file is not what was ordered: the next attempt orders anew."""
        await self._change(
            """update submissions set verdict = 'bad', reason = $4, updated_at = now()
                where channel = $1 and take = $2 and task_id = $3""",
            channel,
            take,
            task_id,
            reason,
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

    async def open_order(self, clip: ClipId) -> Submission | None:
        """The order of a clip that may still be with the provider, or that delivered a clip nobody has brought home."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                f"""select {COLUMNS} from submissions s
                     where channel = $1 and video_id = $2 and number = $3
                       and (state in ('sent', 'accepted', 'unknown') or state = 'settled' and verdict = 'delivered'
                            and not exists (select from takes t where t.channel = s.channel and t.take = s.take
                                             and t.file is not null))
                     order by created_at desc limit 1""",
                clip.channel,
                clip.video_id,
                clip.number,
            )
        return Submission(**dict(row)) if row else None

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

    async def _change(self, statement: str, *arguments: object) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(statement, *arguments)
