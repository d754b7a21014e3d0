"""Single moves of an order's row, inside somebody's transaction."""

import uuid
from datetime import timedelta
from decimal import Decimal

import asyncpg

from studio.contracts.clip import ClipId
from studio.store.orders import COLUMNS, Order, Submission
from studio.store.pool import Connection

_NAMESPACE = uuid.UUID("6f0f3c52-6c3a-5d0e-9a55-2f8f3f0d7c11")


async def set_accepted(connection: Connection, submission_id: str, task_id: str) -> None:
    """The order is this task of the provider's."""
    await connection.execute(
        """update submissions
              set state = 'accepted', task_id = $2, accepted_at = now(), reason = '', updated_at = now(),
                  verdict = null, billed_usd = null, settled_at = null
            where id = $1
              and (state in ('intended', 'sent', 'unknown') or (state = 'settled' and verdict = 'written_off'))""",
        submission_id,
        task_id,
    )


async def set_written_off(connection: Connection, submission_id: str, reason: str) -> None:
    """Nobody will ever know: it counts as paid, and the clip may be ordered anew."""
    await connection.execute(
        """update submissions
              set state = 'settled', verdict = 'written_off', billed_usd = price_usd, reason = $2,
                  settled_at = now(), updated_at = now()
            where id = $1 and state in ('sent', 'unknown')""",
        submission_id,
        reason,
    )


def line_of(order: Order) -> str:
    """What one order at a time is ordered under."""
    return f"{order.clip.channel}/{order.take}"


async def last_of(connection: Connection, order: Order) -> Submission | None:
    """The newest attempt at this order's take."""
    row: asyncpg.Record | None = await connection.fetchrow(
        f"select {COLUMNS} from submissions where channel = $1 and take = $2 order by attempt desc limit 1",
        order.clip.channel,
        order.take,
    )
    return Submission(**dict(row)) if row else None


async def is_older(connection: Connection, submission_id: str, age: timedelta) -> bool:
    """Has nothing happened to it for so long?"""
    return bool(
        await connection.fetchval(
            "select updated_at < now() - $2::interval from submissions where id = $1", submission_id, age
        )
    )


async def take_over(connection: Connection, submission_id: str, clip: ClipId) -> Submission:
    """Nobody has sent it: it becomes the order of whoever wants to send it now."""
    row = await connection.fetchrow(
        f"update submissions set video_id = $2, number = $3 where id = $1 returning {COLUMNS}",
        submission_id,
        clip.video_id,
        clip.number,
    )
    assert row is not None
    return Submission(**dict(row))


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


async def put_back(connection: Connection, submission_id: str) -> Submission:
    """It was not sent after all."""
    row = await connection.fetchrow(
        f"""update submissions set state = 'intended', updated_at = now()
             where id = $1 and state = 'sent' returning {COLUMNS}""",
        submission_id,
    )
    assert row is not None
    return Submission(**dict(row))


async def set_unknown(connection: Connection, submission_id: str, reason: str, credits: Decimal | None = None) -> None:
    await connection.execute(
        """update submissions
              set state = 'unknown', reason = $2, credits_after = coalesce($3, credits_after), updated_at = now()
            where id = $1 and state in ('sent', 'unknown')""",
        submission_id,
        reason,
        credits,
    )
