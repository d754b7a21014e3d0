"""Limits on what is spent, and what is spent so far.

The ledger of orders is the reservation: an order on its way, accepted or lost counts with its price, a delivered one
with its bill or its list price, whichever is more, a refused one with nothing. `ensure_within` runs inside the
transaction that claims an order, one claim at a time, so no number of workers can pass a limit together. Where there is
a limit, the first order of a model goes alone: a raised price is seen on one bill, not on twenty.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

import asyncpg

from studio.errors import BeingOrdered, BudgetReached, InvalidRequest
from studio.store.orders import COLUMNS, Submission
from studio.store.pool import Connection, Database

DAY = "day"

_TURNS = 7_265_104_183
"""The key of the advisory lock under which orders are claimed when there is any limit."""

BILLS_COUNT_FOR = timedelta(hours=24)
"""How long the bill of one order vouches for the price of the model's next ones."""
LONGEST_WAIT_FOR_BILL = timedelta(minutes=30)
"""An order that has no bill after this time holds nothing up: twice the longest clip."""
FIRST_BILL_PAUSE = timedelta(seconds=2)
MOST_USD = Decimal(10_000_000)
"""No budget is larger; a larger number is a typing mistake."""

_BOOKED = "sum(case when state = 'settled' then coalesce(billed_usd, price_usd) else price_usd end)"
"""As the books have it."""
_COUNTED = """sum(case
    when state = 'settled' and verdict in ('delivered', 'bad') and not bill_confirmed
    then greatest(billed_usd, price_usd)
    when state = 'settled' then coalesce(billed_usd, price_usd)
    else price_usd end)"""
"""As a limit counts it: a bill below the list price is believed when the account's balance agrees with it."""
_OPEN = "state in ('sent', 'accepted', 'unknown', 'settled')"
_SPENT = f"select coalesce({_COUNTED}, 0) from submissions where {_OPEN}"
_TODAY = "(sent_at at time zone 'utc')::date = (now() at time zone 'utc')::date"

_BY_CHANNEL = f"""
select channel, count(*) as orders, {_BOOKED} as spent_usd,
       coalesce(sum(price_usd) filter (where state <> 'settled'), 0) as open_usd,
       coalesce(sum(billed_usd - price_usd) filter (where state = 'settled'), 0) as over_estimate_usd
  from submissions where {_OPEN} and {_TODAY}
 group by channel order by channel
"""

_FIRST_BILL_AWAITED = """
select exists (select from submissions o
                where o.provider = s.provider and o.model = s.model and o.id <> s.id
                  and o.state in ('sent', 'accepted') and o.sent_at > now() - $3::interval)
   and not exists (select from submissions o
                    where o.provider = s.provider and o.model = s.model and o.verdict in ('delivered', 'bad')
                      and o.settled_at > now() - $2::interval)
  from submissions s where s.id = $1
"""


@dataclass(frozen=True)
class Budget:
    """A limit, and how far it is used."""

    scope: str
    limit_usd: Decimal
    spent_usd: Decimal


@dataclass(frozen=True)
class Spending:
    """What one channel has spent today (UTC)."""

    channel: str
    orders: int
    spent_usd: Decimal
    open_usd: Decimal
    """Of it: with the provider or lost, at list price."""
    over_estimate_usd: Decimal
    """How much more than the list price was billed."""


def video_scope(channel: str, video_id: str) -> str:
    """The budget of one video, over all its days."""
    return f"video/{channel}/{video_id}"


def channel_scope(channel: str) -> str:
    """The budget of one channel for one day (UTC)."""
    return f"{DAY}/{channel}"


async def ensure_within(connection: Connection, order: Submission) -> None:
    """Called after an order is claimed, in the same transaction: no other claim is checked until it ends.

    Raises:
        BudgetReached: with this order a limit is passed.
        BeingOrdered: there is a limit, and the first order of the model is still without a bill.
    """
    scopes = [video_scope(order.channel, order.video_id), channel_scope(order.channel), DAY]
    limits = await _limits(connection, scopes)
    if not limits:
        return
    await connection.execute("select pg_advisory_xact_lock($1)", _TURNS)
    for scope in (scope for scope in scopes if scope in limits):
        spent = await _spent(connection, scope) - order.price_usd  # without this order
        if spent + order.price_usd > limits[scope]:
            raise BudgetReached(
                f"The budget {scope} is reached: {spent:.2f} of {limits[scope]:.2f} USD are spent, "
                f"this clip costs {order.price_usd:.2f} - Raise it and resume"
            )
    if await connection.fetchval(_FIRST_BILL_AWAITED, order.id, BILLS_COUNT_FOR, LONGEST_WAIT_FOR_BILL):
        raise BeingOrdered("The first order of this model has no bill yet", retry_after=FIRST_BILL_PAUSE)


class BudgetStore:
    """Sets limits and tells how far they are used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def set(self, scope: str, limit_usd: Decimal) -> None:
        """Set a limit. What is spent already stays spent.

        Raises:
            InvalidRequest: no scope of ours, or no amount from 0 to 10,000,000 USD.
        """
        _check_scope(scope)
        if not limit_usd.is_finite() or not 0 <= limit_usd <= MOST_USD:
            raise InvalidRequest(f"a budget is an amount from 0 to {MOST_USD:,} USD, not {limit_usd}")
        async with self._database.transaction() as connection:
            await connection.execute(
                """insert into budgets (scope, limit_usd) values ($1, $2)
                   on conflict (scope) do update set limit_usd = excluded.limit_usd, updated_at = now()""",
                scope,
                limit_usd,
            )

    async def clear(self, scope: str) -> None:
        """Take a limit away."""
        _check_scope(scope)
        async with self._database.transaction() as connection:
            await connection.execute("delete from budgets where scope = $1", scope)

    async def limits(self) -> list[Budget]:
        """All limits and how far they are used."""
        async with self._database.transaction() as connection:
            limits = await _limits(connection, None)
            return [Budget(scope, limit, await _spent(connection, scope)) for scope, limit in sorted(limits.items())]

    async def of_video(self, channel: str, video_id: str, *, own: Decimal | None) -> list[Budget]:
        """The limits an order of this video has to fit into. `own`: the one it will have once it is started."""
        video = video_scope(channel, video_id)
        async with self._database.transaction() as connection:
            limits = await _limits(connection, [video, channel_scope(channel), DAY])
            limits |= {} if own is None else {video: own}
            return [Budget(scope, limit, await _spent(connection, scope)) for scope, limit in sorted(limits.items())]

    async def orders(self, channel: str, video_id: str) -> list[Submission]:
        """Every order of a video that was ever sent, clip by clip."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                f"""select {COLUMNS} from submissions
                     where channel = $1 and video_id = $2 and sent_at is not null order by number, created_at""",
                channel,
                video_id,
            )
        return [Submission(**dict(row)) for row in rows]

    async def today(self) -> list[Spending]:
        """What every channel has spent today (UTC)."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_BY_CHANNEL)
        return [Spending(**dict(row)) for row in rows]


def _check_scope(scope: str) -> None:
    parts = scope.split("/")
    if not all(parts) or (parts[0], len(parts)) not in ((DAY, 1), (DAY, 2), ("video", 3)):
        raise InvalidRequest(f"a budget is for day, day/CHANNEL or video/CHANNEL/VIDEO, not {scope}")


async def _limits(connection: Connection, scopes: list[str] | None) -> dict[str, Decimal]:
    rows: list[asyncpg.Record] = await connection.fetch(
        "select scope, limit_usd from budgets where $1::text[] is null or scope = any($1)", scopes
    )
    return {row["scope"]: row["limit_usd"] for row in rows}


async def _spent(connection: Connection, scope: str) -> Decimal:
    match scope.split("/"):
        case [_]:
            spent = await connection.fetchval(f"{_SPENT} and {_TODAY}")
        case [_, channel]:
            spent = await connection.fetchval(f"{_SPENT} and {_TODAY} and channel = $1", channel)
        case [_, channel, video_id]:
            spent = await connection.fetchval(f"{_SPENT} and channel = $1 and video_id = $2", channel, video_id)
        case _:
            raise InvalidRequest(f"no budget is called {scope}")
    return Decimal(spent)
