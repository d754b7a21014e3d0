"""The provider accepts every order of a video, and every answer to `createTask` gets lost on its way back.

With callbacks: how many orders were billed, and how many were found again by their callback. Without, on a stack
whose orders carry no address to call: how many lie in the desk, how many were sent a second time although the video
is told to go on, and how many a person adopts with one `starter.py lost adopt` each."""

import argparse
import asyncio
import functools
from typing import Any

from benchmarks.ground import Ground, Handle, command, ground, progress_of, say, until, words_of
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoProgress, VideoStatus
from workflows_temporal.video import VideoWorkflow

SPEED = 60.0
KIE = {"duration": [60.0, 120.0]}
SETTINGS = {"KLING_LOOK_MIN_SECONDS": "20", "KLING_LOOK_MAX_SECONDS": "30"}
WORKERS = {"only": "studio,kling,media"}
AT_ONCE = 2
"""Commands given at the same time."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=20)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    clips: int = options.clips
    settings = SETTINGS | {"KLING_SLOTS": str(clips)}
    grounds = functools.partial(ground, kie=KIE, speed=SPEED, workers=WORKERS, settings=settings)
    async with grounds(callbacks=True) as here:
        handle = await _start(here, "heard", clips, unknown_wait_seconds=600)
        await handle.result()
        found = await here.rows("select 1 from decisions where kind = 'adopt' and who = 'callback'")
        result: dict[str, Any] = {"clips": clips, "billed": await _billed(here), "collected": len(found)}
        say(f"with callbacks: {result}")
    async with grounds(callbacks=False) as here:
        result["off"] = await _without_callbacks(here, clips)
    return result


async def _without_callbacks(here: Ground, clips: int) -> dict[str, Any]:
    handle = await _start(here, "unheard", clips, unknown_wait_seconds=0)
    await until(lambda: progress_of(handle), _stands)
    await handle.signal(VideoWorkflow.resume)
    await until(lambda: progress_of(handle), lambda p: _stands(p) and all(clip.tries == 2 for clip in p.clips))
    lost = await command(here, "lost", "list")
    resubmitted = len((await here.ledger("tasks"))["tasks"]) - clips
    tasks = {task["prompt"]: task["task_id"] for task in (await here.ledger("tasks"))["tasks"]}
    hands = asyncio.Semaphore(AT_ONCE)

    async def adopt(order: dict[str, Any]) -> bool:
        words = words_of(order["video_id"], order["number"])
        (task,) = [task for prompt, task in tasks.items() if prompt.startswith(words)]
        async with hands:
            done = await command(here, "lost", "adopt", order["submission_id"], task, "--why", "kie.ai/logs")
        return bool(done["state"] == "accepted")

    adopted = sum(await asyncio.gather(*map(adopt, lost)))
    await handle.result()
    return {"billed": await _billed(here), "in_desk": len(lost), "resubmitted": resubmitted, "adopted": adopted}


async def _start(here: Ground, name: str, clips: int, **fields: Any) -> Handle:
    await here.tell("faults", route="createTask", script=["accept_then_reset"], repeat=True, count=clips)
    return await here.start(await here.video(name, clips=clips, **fields))


def _stands(progress: VideoProgress) -> bool:
    unknown = all(clip.status is ClipStatus.UNKNOWN for clip in progress.clips)
    return unknown and progress.status is VideoStatus.VIDEO_ERROR


async def _billed(here: Ground) -> int:
    await here.provider_is_done()
    return int((await here.ledger("counters"))["counters"]["billed"])
