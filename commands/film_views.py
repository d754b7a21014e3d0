"""`starter.py film …`: how films stand, what came out, what they cost."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from commands.gpu import gpu_standing
from commands.options import DATA, Data, FilmId, Json
from commands.running import handle_of, name_of
from commands.session import fail, open_session, out, show_json
from commands.statuses import how_it_ended, see
from commands.table import render
from commands.telling import TYPICAL_SECONDS, show_result
from studio.contracts.film import VideoStatus
from studio.store.budgets import BudgetStore
from studio.store.costs import CostStore

WIDE = 90
"""Columns of a terminal from which on a list has all of its own."""


def status(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show how a film stands, clip by clip."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, film)
            gpu = await gpu_standing(session, *([handle_of(session, seen.name)] if seen.running else []))
            if as_json:
                return show_json(seen.progress.model_dump(mode="json") | gpu.told | {"note": seen.note})
            speed = session.settings.kie_speed
            out.print(render(seen.progress, typical_seconds=TYPICAL_SECONDS / speed, height=10_000, width=out.width))
            for line in [*gpu.lines, *([seen.note] if seen.note else [])]:
                out.print(line, highlight=False, markup=False, soft_wrap=True)

    asyncio.run(run())


def result(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what came out: the film, its contact sheet, its costs."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, film)
            progress, name = seen.progress, seen.name
            if seen.running:
                so_far = f"{progress.status}, {progress.done} of {progress.total} clips"
                fail(f"{seen.called} is not finished: {so_far} - `watch {seen.called}` waits for it")
            outcome = await session.films.result(name.channel, name.video_id)
            if progress.status is not VideoStatus.VIDEO_READY or outcome is None:
                before = f"\nThe film of the run before: {session.place(outcome.film.key)}" if outcome else ""
                fail(f"{how_it_ended(seen)}{before}")
            show_json(outcome) if as_json else show_result(session, outcome)

    asyncio.run(run())


def costs(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what a film has cost so far, order by order, and how far bills differ from the price list."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await name_of(session, film)
            if not await session.films.find(channel=name.channel, video_id=name.video_id, limit=1):
                await see(session, film)  # ends the command when Temporal does not know it either
            orders = await BudgetStore(session.database).orders(name.channel, name.video_id)
            cost = await CostStore(session.database).cost(name.channel, name.video_id)
            if as_json:
                return show_json([vars(order) for order in orders])
            table = Table("clip", "order", "state", "price USD", "billed USD", box=None)
            for order in orders:
                bill = "" if order.billed_usd is None else f"{order.billed_usd:.2f}"
                state = f"{order.state}, {order.verdict}" if order.verdict else order.state
                table.add_row(str(order.number), order.id[:13], state, f"{order.price_usd:.2f}", bill)
            out.print(table)
            against = f"({cost.over_estimate_usd:+.2f} against the price list)"
            words = f"billed {cost.cost_usd:.2f} USD {against}, open {cost.open_usd:.2f} USD"
            out.print(words, highlight=False)

    asyncio.run(run())


def list_films(
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List films, the last changed first."""

    async def run() -> None:
        async with open_session(data) as session:
            rows = await session.films.find(channel=channel)
            if as_json:
                return show_json([vars(row) for row in rows])
            is_wide = out.width >= WIDE
            table = Table("film", "status", "clips", "USD", *(["changed", "message"] if is_wide else []), box=None)
            for row in rows:
                done = f"{row.clips_done}/{row.clip_count}"
                rest = [row.updated_at.strftime("%Y-%m-%d %H:%M"), row.message.partition("\n")[0]]
                name = f"{row.channel}/{row.video_id}"
                table.add_row(name, row.status, done, f"{row.total_cost_usd:.2f}", *(rest if is_wide else []))
            out.print(table)

    asyncio.run(run())
