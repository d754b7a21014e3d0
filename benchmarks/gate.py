"""Many clips of four channels over three worker processes, four places: the highest number in flight at the provider,
the share of the ideal throughput, and Jain's fairness index over the channels while all of them wanted more.

The provider's clock runs 30 times as fast as real: clips take 4 s instead of two minutes, and looks are as much
closer together. The ideal is the sum of the tasks' own durations divided by the limit."""

import argparse
import asyncio
from collections import Counter
from typing import Any

from temporalio.client import WorkflowHandle

from benchmarks.ground import ground, say
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.gate import GateWorkflow

SPEED = 30.0
DURATION = 120.0
CHANNELS = ("north", "east", "south", "west")
WORKERS = {"one": "studio,kling,media", "two": "studio,kling,media", "three": "studio,kling,media"}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--limit", type=int, default=4)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    kie = {"duration": [DURATION * 0.8, DURATION * 1.2]}
    settings = {"KLING_SLOTS": str(options.limit)}
    async with ground(kie=kie, speed=SPEED, workers=WORKERS, settings=settings) as here:
        share = options.clips // len(CHANNELS)
        videos = [await here.video(channel, clips=share, channel=channel) for channel in CHANNELS]
        gate: WorkflowHandle[GateWorkflow, None] = here.temporal.get_workflow_handle_for(
            GateWorkflow.run, KLING_GATE_ID
        )
        handles = await asyncio.gather(*map(here.start, videos))
        await asyncio.gather(*(handle.result() for handle in handles))
        book = await here.ledger("tasks", "counters")
        say(f"gate: {(await gate.query(GateWorkflow.state)).most_held} places held at most")
    tasks = sorted(book["tasks"], key=lambda task: task["virtual"])
    worked = sum(task["finished"] - task["virtual"] for task in tasks)
    took = max(task["finished"] for task in tasks) - tasks[0]["virtual"]
    return {
        "limit": options.limit,
        "max_in_flight": book["counters"]["max_in_flight"],
        "throughput_share": round(worked / options.limit / took, 4),
        "jain": round(jain(_shares(tasks, share)), 4),
        "clips": len(tasks),
    }


def jain(shares: list[int]) -> float:
    """Jain's fairness index: 1 when all shares are equal, 1/n when one has everything."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def _shares(tasks: list[dict[str, Any]], full: int) -> list[int]:
    """Orders per channel until the first channel had its last one accepted."""
    counts: Counter[str] = Counter()
    for task in tasks:
        counts[_channel(task)] += 1
        if max(counts.values()) == full:
            break
    return [counts[channel] for channel in CHANNELS]


def _channel(task: dict[str, Any]) -> str:
    return next(channel for channel in CHANNELS if f"of {channel}" in task["prompt"])
