"""`starter.py video …`: how videos stand, what came out, what they cost."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from commands.gpu import gpu_standing
from commands.options import DATA, Data, Json, VideoId
from commands.running import handle_of, name_of
from commands.session import fail, open_session, out, show_json
from commands.statuses import how_it_ended, see
from commands.table import render
from commands.telling import TYPICAL_SECONDS, show_result
from studio.contracts.video import VideoStatus
from studio.store.budgets import BudgetStore
from studio.store.costs import CostStore

WIDE = 90
"""Columns of a terminal from which on a list has all of its own."""


def status(video: VideoId, data: Data = DATA, as_json: Json = False) -> None:
    """Show how a video stands, clip by clip."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, video)
            gpu = await gpu_standing(session, *([handle_of(session, seen.name)] if seen.running else []))
            if as_json:
                return show_json(seen.progress.model_dump(mode="json") | gpu.told | {"note": seen.note})
            speed = session.settings.kie_speed
            out.print(render(seen.progress, typical_seconds=TYPICAL_SECONDS / speed, height=10_000, width=out.width))
            for line in [*gpu.lines, *([seen.note] if seen.note else [])]:
                out.print(line, highlight=False, markup=False, soft_wrap=True)

    asyncio.run(run())


def result(video: VideoId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what came out: the video, its contact sheet, its costs."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, video)
            progress, name = seen.progress, seen.name
            if seen.running:
                so_far = f"{progress.status}, {progress.done} of {progress.total} clips"
                fail(f"{seen.called} is not finished: {so_far} - `watch {seen.called}` waits for it")
            outcome = await session.videos.result(name.channel, name.video_id)
            if progress.status is not VideoStatus.VIDEO_READY or outcome is None:
                before = f"\nThe video of the run before: {session.place(outcome.video.key)}" if outcome else ""
                fail(f"{how_it_ended(seen)}{before}")
            show_json(outcome) if as_json else show_result(session, outcome)

    asyncio.run(run())


def costs(video: VideoId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what a video has cost so far, order by order, and how far bills differ from the price list."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await name_of(session, video)
            if not await session.videos.find(channel=name.channel, video_id=name.video_id, limit=1):
                await see(session, video)  # ends the command when Temporal does not know it either
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


def list_videos(
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List videos, the last changed first."""

    async def run() -> None:
        async with open_session(data) as session:
            rows = await session.videos.find(channel=channel)
            if as_json:
                return show_json([vars(row) for row in rows])
            is_wide = out.width >= WIDE
            table = Table("video", "status", "clips", "USD", *(["changed", "message"] if is_wide else []), box=None)
            for row in rows:
                done = f"{row.clips_done}/{row.clip_count}"
                rest = [row.updated_at.strftime("%Y-%m-%d %H:%M"), row.message.partition("\n")[0]]
                name = f"{row.channel}/{row.video_id}"
                table.add_row(name, row.status, done, f"{row.total_cost_usd:.2f}", *(rest if is_wide else []))
            out.print(table)

    asyncio.run(run())
