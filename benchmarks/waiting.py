"""Thousands of clips that wait at the provider on one worker process: its peak memory, its share of a core, and the
polls per second that reach the provider, which allows ten per second and key.

First the clips are ordered, by a worker that looks at them every two minutes only; clips leave the gate, which has 400
places, as soon as they are inside, so that more can follow. Then the worker is started anew as in production, where
every clip wants a look every three seconds and the queue lets four a second pass, and watched."""

import argparse
import asyncio
import functools
import time
from typing import Any

import psutil
from temporalio.common import WorkflowIDConflictPolicy

from benchmarks.ground import Ground, Handle, ground, progress_of, say, until
from studio.contracts.clip import ClipStatus
from studio.contracts.gate import GateState
from studio.settings import Settings
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.line import MOST_SLOTS

CLIPS_PER_VIDEO = 100
HOURS = 7_200.0
SAMPLES_PER_SECOND = 4


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=5_000)
    parser.add_argument("--watch", type=float, default=90.0, help="seconds to watch the waiting worker")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    kie = {"duration": [HOURS, HOURS]}
    queues = "studio,kling,media"
    async with ground(kie=kie, speed=1, workers={}, settings={}) as here:
        rare_looks = {"KLING_LOOK_MIN_SECONDS": "30", "KLING_LOOK_MAX_SECONDS": "30", "KIE_SPEED": "0.25"}
        await here.stack.start_worker("only", queues, **rare_looks)
        await here.temporal.start_workflow(
            GateWorkflow.run,
            GateState(limit=MOST_SLOTS),
            id=KLING_GATE_ID,
            task_queue=TaskQueue.STUDIO,
            id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
        )
        await _order_all(here, options.clips)
        await here.stack.workers.pop("only").stop()
        limit = str(Settings.model_fields["kling_calls_per_second"].default)
        worker = await here.stack.start_worker("only", queues, KLING_CALLS_PER_SECOND=limit)
        return {"clips": options.clips, **await _watch(here, worker.pid, options.watch)}


async def _order_all(here: Ground, clips: int) -> None:
    handles: list[Handle] = []
    for number in range(-(-clips // CLIPS_PER_VIDEO)):
        length = min(CLIPS_PER_VIDEO, clips - number * CLIPS_PER_VIDEO)
        video = await here.video(f"waiting-{number}", clips=length, clip_deadline_seconds=int(HOURS))
        handles.append(await here.start(video))

    async def accepted() -> int:
        return int((await here.ledger("counters"))["counters"]["accepted"])

    gate = here.temporal.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)
    reported = 0
    while (count := await accepted()) < clips:
        held = (await gate.query(GateWorkflow.state)).held
        await gate.signal(GateWorkflow.leave, [one.ticket.name for one in held[1:]])
        if count - reported >= 500:
            reported = count
            say(f"{count} of {clips} clips are with the provider")
        await asyncio.sleep(1)
    for handle in handles:
        await until(functools.partial(progress_of, handle), _all_rendering, every=0.5)
    say(f"{clips} clips wait")


def _all_rendering(progress: Any) -> bool:
    return all(clip.status is ClipStatus.RENDERING for clip in progress.clips)


async def _watch(here: Ground, pid: int, seconds: float) -> dict[str, Any]:
    worker = psutil.Process(pid)
    began, cpu = time.monotonic(), sum(worker.cpu_times()[:2])
    peak, polls = 0.0, [await _polls(here)]
    while time.monotonic() - began < seconds:
        peak = max(peak, worker.memory_info().rss / 1e6)
        await asyncio.sleep(1 / SAMPLES_PER_SECOND)
        polls.append(await _polls(here))
    took = time.monotonic() - began
    return {
        "peak_rss_mb": round(peak, 1),
        "cpu_share": round((sum(worker.cpu_times()[:2]) - cpu) / took, 3),
        "polls_per_second": round((polls[-1] - polls[0]) / took, 2),
        "polls_in_the_busiest_second": max(
            later - earlier for earlier, later in zip(polls, polls[SAMPLES_PER_SECOND:], strict=False)
        ),
    }


async def _polls(here: Ground) -> int:
    return int((await here.ledger("counters"))["counters"]["polls"])
