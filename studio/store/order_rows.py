"""Single moves of an order's row, inside an open transaction."""

import uuid
from datetime import timedelta
from decimal import Decimal

import asyncpg

from studio.contracts.clip import ClipId
from studio.errors import BeingOrdered
from studio.store.orders import COLUMNS, Order, State, Submission, is_of, storable
from studio.store.pool import Connection

LOOK_AGAIN = timedelta(seconds=2)
"""When to look again at an order that another sender is sending."""

_NAMESPACE = uuid.UUID("6f0f3c52-6c3a-5d0e-9a55-2f8f3f0d7c11")

_LOCKED = "from (select id, state as was from submissions where id = $1 for update) old where s.id = old.id"
"""For an update that returns `was`, the state before it."""


async def set_accepted(
    connection: Connection, submission_id: str, task_id: str, *, proven: bool = False
) -> State | None:
    """The order is this task of the provider's; returns its state before, None when nothing changed.

    A receipt counts whatever the order was called meanwhile: unknown, refused, written off. One that failed is opened
    again only for another task, or when the provider was just seen working on it (`proven`).
    """
    was: State | None = await connection.fetchval(
        f"""update submissions s
               set state = 'accepted', task_id = $2, accepted_at = now(), reason = '', updated_at = now(),
                   verdict = null, billed_usd = null, billed_credits = null, settled_at = null,
                   bill_confirmed = false, is_here = false, absent_since = null, absent_at = null, looked_at = now()
              {_LOCKED}
               and (s.state in ('intended', 'sent', 'unknown', 'refused')
                    or (s.state = 'settled' and s.verdict = 'written_off')
                    or (s.state = 'settled' and s.verdict = 'failed' and ($3 or s.task_id is distinct from $2)))
            returning old.was""",
        submission_id,
        task_id,
        proven,
    )
    return was


async def set_written_off(connection: Connection, submission_id: str, reason: str) -> None:
    """Its fate will never be known: it counts as paid, and the clip may be ordered anew."""
    await connection.execute(
        """update submissions
              set state = 'settled', verdict = 'written_off', billed_usd = greatest(billed_usd, price_usd), reason = $2,
                  settled_at = now(), updated_at = now()
            where id = $1 and (state in ('sent', 'unknown', 'accepted') or verdict = 'delivered')""",
        submission_id,
        storable(reason),
    )


def line_of(order: Order) -> str:
    """What one order at a time is ordered under."""
    return f"{order.clip.channel}/{order.take}"


async def last_of(connection: Connection, order: Order) -> Submission | None:
    """The newest attempt at this order's take; it does not change until the transaction ends."""
    row: asyncpg.Record | None = await connection.fetchrow(
        f"select {COLUMNS} from submissions where channel = $1 and take = $2 order by attempt desc limit 1 for update",
        order.clip.channel,
        order.take,
    )
    return Submission(**dict(row)) if row else None


async def give_up(connection: Connection, order: Submission, reason: str, *, sender: str, longest: timedelta) -> None:
    """An order on its way is lost: its sender begins anew, or its request has been on its way for longer than any.

    Raises:
        BeingOrdered: another sender's request may still come to its end.
    """
    if not is_of(sender, order.claim) and not await connection.fetchval(
        "select updated_at < now() - $2::interval from submissions where id = $1", order.id, longest
    ):
        raise BeingOrdered("Another clip orders the same take", retry_after=LOOK_AGAIN)
    await set_unknown(connection, order.id, reason)


async def take_over(connection: Connection, submission_id: str, clip: ClipId) -> Submission | None:
    """An order that was not sent becomes that of another clip. None: it has been sent meanwhile."""
    row = await connection.fetchrow(
        f"""update submissions set video_id = $2, number = $3
             where id = $1 and state = 'intended' returning {COLUMNS}""",
        submission_id,
        clip.video_id,
        clip.number,
    )
    return Submission(**dict(row)) if row else None


async def insert(connection: Connection, order: Order, *, attempt: int) -> Submission:
    """Write a new attempt down."""
    row = await connection.fetchrow(
        f"""insert into submissions (id, channel, video_id, number, take, attempt, provider, model, seconds, state,
                                     price_usd)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'intended', $10) returning {COLUMNS}""",
        str(uuid.uuid5(_NAMESPACE, f"{line_of(order)}/{attempt}")),
        order.clip.channel,
        order.clip.video_id,
        order.clip.number,
        order.take,
        attempt,
        order.provider,
        order.model,
        order.seconds,
        order.price_usd,
    )
    assert row is not None
    return Submission(**dict(row))


async def set_unsent(connection: Connection, submission_id: str, reason: str, claim: str) -> State | None:
    """The owner of this claim did not get the order through; returns its state before, None when nothing changed."""
    was: State | None = await connection.fetchval(
        f"""update submissions s set state = 'intended', reason = $2, updated_at = now()
              {_LOCKED} and s.state in ('sent', 'unknown') and s.claim = $3 returning old.was""",
        submission_id,
        storable(reason),
        claim,
    )
    return was


async def set_refused(connection: Connection, submission_id: str, reason: str, claim: str) -> State | None:
    """The provider refused the request of this claim; returns the state before, None when nothing changed."""
    was: State | None = await connection.fetchval(
        f"""update submissions s set state = 'refused', reason = $2, updated_at = now()
              {_LOCKED} and s.state in ('sent', 'unknown') and s.claim = $3 returning old.was""",
        submission_id,
        storable(reason),
        claim,
    )
    return was


async def set_unknown(
    connection: Connection, submission_id: str, reason: str, *, task_id: str | None = None, claim: str | None = None
) -> None:
    """It is not known what became of the order.

    Args:
        task_id: what the provider named; kept if it is no other order's.
        claim: whose request it was; one that was sent again since stays as it is.
    """
    await connection.execute(
        """update submissions s
              set state = 'unknown', reason = $2, updated_at = now(),
                  task_id = coalesce(s.task_id, (select $3::text where not exists (
                      select from submissions o where o.provider = s.provider and o.task_id = $3)))
            where id = $1 and state in ('sent', 'unknown') and ($4::text is null or claim = $4)""",
        submission_id,
        storable(reason),
        task_id,
        claim,
    )


async def set_forgotten(connection: Connection, submission_id: str, reason: str) -> None:
    """The provider does not know an accepted order any more: unknown, with its task. It counts as paid."""
    await connection.execute(
        """update submissions set state = 'unknown', reason = $2, updated_at = now()
            where id = $1 and state in ('sent', 'accepted')""",
        submission_id,
        storable(reason),
    )


async def note_absence(
    connection: Connection, submission_id: str, *, gap: timedelta, lasting: timedelta, watching: bool
) -> bool | None:
    """The provider has just said that it does not know the task; has it said so without a break for `lasting`?

    None: the order is none that waits for its task. A pause between two answers of more than `gap` is a break.
    """
    found: bool | None = await connection.fetchval(
        """update submissions
              set absent_since = case when absent_at > now() - $2::interval then absent_since else now() end,
                  absent_at = now(), looked_at = now(),
                  watched_at = case when $4 then now() else watched_at end
            where id = $1 and (state in ('sent', 'accepted', 'unknown') or verdict = 'delivered')
        returning now() - absent_since >= $3::interval and now() - coalesce(accepted_at, sent_at) >= $3::interval""",
        submission_id,
        gap,
        lasting,
        watching,
    )
    return found


async def note_balance(connection: Connection, submission_id: str, credits: Decimal) -> None:
    """The account's balance after the answer was lost: evidence."""
    await connection.execute("update submissions set credits_after = $2 where id = $1", submission_id, credits)
