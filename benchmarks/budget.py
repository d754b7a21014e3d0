"""Four worker processes race for a channel's budget at a flapping provider: the most that was ever billed.

Every run is a channel of its own with a limit for the day and several videos whose clips would cost many times as
much. The provider answers some orders with 429, 455 or 500, drops connections before and after it has accepted, and
lets some tasks fail, which gives their money back. Lost orders are written off and sent again as the videos' policy
allows, and all videos are resumed several times, so that clips are tried again beside the limit."""

import argparse
import asyncio
from decimal import Decimal
from typing import Any

from benchmarks.ground import Ground, Handle, ground, progress_of, say, until
from studio.contracts.video import OnUnknown, VideoProgress, VideoStatus
from studio.providers.kie_models import CREDIT_USD
from studio.store.budgets import BudgetStore, channel_scope
from workflows_temporal.video import VideoWorkflow

SPEED = 200.0
KIE = {"duration": [60.0, 200.0]}
SETTINGS = {"KLING_SLOTS": "100", "KLING_LOOK_MIN_SECONDS": "30", "KLING_LOOK_MAX_SECONDS": "30"}
WORKERS = {"one": "studio,kling", "two": "studio,kling", "three": "studio,kling", "four": "studio,kling,media"}
FLAPPING = [{"http": 429}, {"body_code": 455}, {"http": 500}, "reset_before", "accept_then_reset"]
ORDERS_HIT, TASKS_FAILED = 0.4, 0.4
"""Shares of orders and tasks."""
VIDEOS, CLIPS = 3, 4
TIMES = 2
"""How often the videos of a run are resumed."""
STANDING = (VideoStatus.VIDEO_ERROR, VideoStatus.BUDGET_REACHED, VideoStatus.VIDEO_READY)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--limit", type=Decimal, default=Decimal("1.00"), help="USD")
    parser.add_argument("--together", type=int, default=5, help="runs at the same time")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    bills: list[Decimal] = []
    async with ground(kie=KIE, speed=SPEED, workers=WORKERS, settings=SETTINGS, callbacks=True) as here:
        await here.tell("faults", route="createTask", script=FLAPPING, probability=ORDERS_HIT)
        await here.tell("faults", route="task", script=[{"fail": "internal"}], probability=TASKS_FAILED)
        numbers = iter(range(1, options.runs + 1))
        lanes = [_lane(here, numbers, options.limit, bills) for _ in range(options.together)]
        await asyncio.gather(*lanes)
        refused = len((await here.ledger("refused"))["refused"])
        (spent,) = await here.rows(_MOST_SPENT)
    return {
        "limit_usd": float(options.limit),
        "runs": len(bills),
        "max_billed_usd": float(max(bills)),
        "clip_usd": 0.42,
        "max_reserved_usd": float(spent["most"]),
        "billed_usd": {f"{bill:.2f}": bills.count(bill) for bill in sorted(set(bills))},
        "refused_by_provider": refused,
    }


_MOST_SPENT = """
select max(spent) as most from (
  select sum(coalesce(billed_usd, price_usd)) as spent from submissions
   where state in ('sent', 'accepted', 'unknown', 'settled') group by channel) as channels
"""


async def _lane(here: Ground, numbers: Any, limit: Decimal, bills: list[Decimal]) -> None:
    for number in numbers:
        bills.append(await _one(here, f"run-{number:03d}", limit))
        say(f"run {number}: {bills[-1]} USD billed")


async def _one(here: Ground, channel: str, limit: Decimal) -> Decimal:
    """All videos of a channel until they stand still for good; what the provider billed for them."""
    await BudgetStore(here.database).set(channel_scope(channel), limit)
    fields = {"on_unknown": OnUnknown.RESUBMIT, "most_resubmits": 2, "unknown_wait_seconds": 2}
    videos = [
        await here.video(f"{channel}-{number}", clips=CLIPS, channel=channel, seconds=10, **fields)
        for number in range(1, VIDEOS + 1)
    ]
    handles = await asyncio.gather(*map(here.start, videos))
    for _ in range(1 + TIMES):
        await asyncio.gather(*(_round(handle) for handle in handles))
    billed = await _billed(here, channel)
    await asyncio.gather(*(handle.terminate() for handle in handles))
    return billed


async def _round(handle: Handle) -> None:
    """Until the video stands still after the next round; all but the first begin with a resume."""
    before = await progress_of(handle)
    if before.status is VideoStatus.VIDEO_READY:
        return
    if before.status in STANDING:
        await handle.signal(VideoWorkflow.resume)
    await until(lambda: progress_of(handle), lambda now: now.status in STANDING and _tries(now) > _tries(before))


def _tries(progress: VideoProgress) -> int:
    return sum(clip.tries for clip in progress.clips)


async def _billed(here: Ground, channel: str) -> Decimal:
    """In USD, once none of the channel's tasks is in the works."""
    tasks = await until(lambda: here.tasks(channel), lambda tasks: all(task["finished"] for task in tasks))
    return sum((Decimal(str(task["billed"] - task["refunded"])) for task in tasks), start=Decimal(0)) * CREDIT_USD
