"""Kill -9 the only worker process while all clips of a video are with the provider, start a new one: how many
submissions were billed, and how many seconds passed between the restart and the video's completion beyond the time
the provider still needed."""

import argparse
import statistics
import time
from typing import Any

from benchmarks.ground import Ground, ground, progress_of, say, until
from studio.contracts.clip import ClipStatus

PROVIDER_SECONDS = 18.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=18)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    kie = {"duration": [PROVIDER_SECONDS, PROVIDER_SECONDS]}
    settings = {"KLING_SLOTS": str(options.clips)}
    extra: list[float] = []
    billed: list[int] = []
    async with ground(kie=kie, speed=1, workers={"only": "studio,kling,media"}, settings=settings) as here:
        for number in range(options.rounds):
            before = (await here.ledger("counters"))["counters"]["billed"]
            extra.append(await _round(here, f"resume-{number}", options.clips))
            billed.append((await here.ledger("counters"))["counters"]["billed"] - before)
            say(f"round {number + 1}: {billed[-1]} billed, {extra[-1]:.2f} s beyond the provider")
    return {
        "billed": billed[0] if len(set(billed)) == 1 else billed,
        "clips": options.clips,
        "rounds": options.rounds,
        "extra_seconds": {"median": round(statistics.median(extra), 2), "max": round(max(extra), 2)},
    }


async def _round(here: Ground, name: str, clips: int) -> float:
    handle = await here.start(await here.video(name, clips=clips))

    def all_with_provider(progress: Any) -> bool:
        return all(clip.status is ClipStatus.RENDERING for clip in progress.clips)

    await until(lambda: progress_of(handle), all_with_provider, every=0.1)
    await here.stack.kill_worker("only")
    restarted = time.time()
    await here.stack.start_worker("only")
    await handle.result()
    done = time.time()
    tasks = (await here.ledger("tasks"))["tasks"]
    provider_done = max(float(task["finished"]) for task in tasks)  # speed 1: virtual seconds are ours
    return done - max(provider_done, restarted)
