"""`starter.py costs …` and `starter.py budget …`: what is spent, and what may be."""

import asyncio
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from commands.options import DATA, Data, Json
from commands.session import WRONG_INPUT, fail, open_session, out, show_json
from studio.errors import InvalidRequest
from studio.store.budgets import BudgetStore

costs = typer.Typer(no_args_is_help=True, help="What is spent.")
budget = typer.Typer(no_args_is_help=True, help="What may be spent, in USD.")

Scope = Annotated[str, typer.Argument(help="day, day/CHANNEL or video/CHANNEL/VIDEO. A day is one of UTC.")]


@costs.command()
def today(
    by_channel: Annotated[bool, typer.Option("--by-channel", help="One line per channel.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """What was ordered today (UTC), how much of it is still open, and how far bills differ from the price list."""

    async def run() -> None:
        async with open_session(data) as session:
            spent = await BudgetStore(session.database).today()
        total = {
            "orders": sum(row.orders for row in spent),
            "spent_usd": sum((row.spent_usd for row in spent), Decimal(0)),
            "open_usd": sum((row.open_usd for row in spent), Decimal(0)),
            "over_estimate_usd": sum((row.over_estimate_usd for row in spent), Decimal(0)),
        }
        if as_json:
            return show_json(total | ({"channels": [asdict(row) for row in spent]} if by_channel else {}))
        table = Table("channel", "orders", "USD", "of it open", "over estimate", box=None)
        rows = [asdict(row) for row in spent] if by_channel else []
        for row in [*rows, {"channel": "all", **total}]:
            money = [f"{row[name]:.2f}" for name in ("spent_usd", "open_usd", "over_estimate_usd")]
            table.add_row(str(row["channel"]), str(row["orders"]), *money)
        out.print(table)

    asyncio.run(run())


@budget.command()
def show(data: Data = DATA, as_json: Json = False) -> None:
    """Show all limits and how far they are used."""
    _run(data, as_json)


@budget.command("set", context_settings={"ignore_unknown_options": True})
def set_limit(
    scope: Scope,
    usd: Annotated[str, typer.Argument(help="The limit; 0 lets nothing be ordered.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Set a limit, now and for all workers. A video that waits goes on with `video resume`."""
    try:
        limit = Decimal(usd)
    except ArithmeticError:  # a negative amount is not taken for an option, and refused in a sentence
        fail(f"{usd} is no amount of money", code=WRONG_INPUT)
    _run(data, as_json, set_to=(scope, limit))


@budget.command()
def clear(scope: Scope, data: Data = DATA, as_json: Json = False) -> None:
    """Take a limit away."""
    _run(data, as_json, clear=scope)


def _run(data: Path, as_json: bool, *, set_to: tuple[str, Decimal] | None = None, clear: str | None = None) -> None:
    async def run() -> None:
        async with open_session(data) as session:
            store = BudgetStore(session.database)
            try:
                if set_to is not None:
                    await store.set(*set_to)
                if clear is not None:
                    await store.clear(clear)
            except InvalidRequest as error:
                fail(str(error), code=WRONG_INPUT)
            limits = await store.limits()
        if as_json:
            return show_json([asdict(limit) for limit in limits])
        table = Table("budget", "limit USD", "spent USD", box=None)
        for limit in limits:
            table.add_row(limit.scope, f"{limit.limit_usd:.2f}", f"{limit.spent_usd:.2f}")
        out.print(table if limits else "no limits")

    asyncio.run(run())
