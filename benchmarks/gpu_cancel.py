"""Videos that are cancelled while a ComfyUI server renders their clip, while it encodes it (then it goes on to the end,
and what comes out is kept as a take), and while the clip waits behind somebody else's prompt. Another video waits for
the same GPU.

Seconds to interrupt: from the cancellation of the workflow to the moment the server is told, by its own ledger; to
stop: to the moment the prompt has ended, where that was not success. States: how the prompts ended. Seconds to next:
how long the GPU stood idle before the waiting video's clip, where nothing else was queued."""

import argparse
import asyncio
import functools
import random
import secrets
import statistics
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowFailureError

from benchmarks.gpulanes import Lane, gpu_lanes
from benchmarks.gpus import gpu_video
from benchmarks.ground import Handle, say, until, words_of

LONG, ENCODING, IN_FRONT = 120.0, 6.0, 6.0
"""GPU seconds: of the cancelled render, of one that is cancelled while it is encoded, of somebody else's prompt."""
NEXT = 0.2
"""GPU seconds of the video that waits."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=20, help="of each case")
    parser.add_argument("--lanes", type=int, default=3, help="servers, on which rounds are played at the same time")
    parser.add_argument("--generation", choices=("new", "old"), default="new", help="of the servers")
    parser.add_argument("--seed", type=int, default=None)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    say(f"seed {seed}")
    chance = random.Random(seed)
    plan = [(name, number, chance.random()) for name in CASES for number in range(1, options.rounds + 1)]
    chance.shuffle(plan)
    ends: list[End] = []
    async with gpu_lanes(options.lanes, {"generation": options.generation, "prompt_seconds": NEXT}) as lanes:
        await asyncio.gather(*(_play(lane, plan, ends) for lane in lanes))
    free = [end.to_next for end in ends if end.to_next is not None]
    return {
        "seconds_to_interrupt": _told([end.to_interrupt for end in ends]),
        "states": dict(Counter(end.state for end in ends)),
        "seconds_to_stop": _told([end.to_stop for end in ends if end.state != "success"]),
        "seconds_to_next": _told(free),
        "kept": sum(end.kept for end in ends),
        "next_done": sum(end.next_done for end in ends),
        "rounds": len(ends),
        "by_case": {
            name: {
                "states": dict(Counter(end.state for end in ends if end.case == name)),
                "seconds_to_interrupt": _told([end.to_interrupt for end in ends if end.case == name]),
            }
            for name in CASES
        },
        "seed": seed,
    }


@dataclass(frozen=True)
class End:
    """What became of one round."""

    case: str
    state: str
    to_interrupt: float
    to_stop: float
    to_next: float | None
    kept: bool
    """Is the cancelled clip there as a take?"""
    next_done: bool


def _told(seconds: list[float]) -> dict[str, float]:
    return {"median": round(statistics.median(seconds), 2), "max": round(max(seconds), 2)}


async def _play(lane: Lane, plan: list[tuple[str, int, float]], ends: list[End]) -> None:
    while plan:
        case, number, seed = plan.pop()
        end = await _round(lane, case, f"{case}-{number:02d}", random.Random(seed))
        ends.append(end)
        say(f"{len(ends):4d}  {case:<10} {end.state:<12} told after {end.to_interrupt:.2f} s")


async def _round(lane: Lane, case: str, video: str, chance: random.Random) -> End:
    here, gpu = lane.here, lane.gpu
    start = functools.partial(here.start, await gpu_video(here, video, clips=1))
    handle, mine = await CASES[case](lane, video, start)
    following = await here.start(await gpu_video(here, f"{video}-next", clips=1))
    await asyncio.sleep(chance.uniform(0, 2.5))
    cancelled = time.time()
    await handle.cancel()
    told = await gpu.prompt(mine, "interrupted", "success", "deleted")
    next_done = (await following.result()).clips[0].done
    after = await gpu.prompt(mine + 1, "success")
    await _ended(handle)
    rows = await here.rows("select file from takes where strpos($1, take) > 0 and file is not null", told["prefix"])
    return End(
        case=case,
        state=told["state"],
        to_interrupt=told["cancel_asked"] - cancelled,
        to_stop=told["ended"] - cancelled,
        to_next=after["started"] - told["ended"] if case != "waiting" else None,
        kept=bool(rows),
        next_done=next_done,
    )


async def _ended(handle: Handle) -> None:
    try:
        await handle.result()
    except WorkflowFailureError:
        return
    raise RuntimeError(f"{handle.id} was cancelled and has a result")


# ── what is cancelled ────────────────────────────────────────────────────

Begin = Callable[[], Awaitable[Handle]]


async def _rendering(lane: Lane, video: str, start: Begin) -> tuple[Handle, int]:
    """A video, and the place of its prompt in the server's ledger."""
    return await _running(lane, video, start, seconds=LONG)


async def _encoding(lane: Lane, video: str, start: Begin) -> tuple[Handle, int]:
    return await _running(lane, video, start, seconds=ENCODING, encode_seconds=ENCODING - 0.1)


async def _running(lane: Lane, video: str, start: Begin, **order: float) -> tuple[Handle, int]:
    before = len(await lane.gpu.prompts())
    await lane.gpu.tell("faults", route="run", match=words_of(video, 1), script=[order])
    handle = await start()
    await lane.gpu.prompt(before, "running")
    return handle, before


async def _waiting(lane: Lane, video: str, start: Begin) -> tuple[Handle, int]:
    before = len(await lane.gpu.prompts())
    await lane.gpu.tell("foreign", seconds=IN_FRONT)
    handle = await start()
    await until(lane.gpu.prompts, lambda prompts: len(prompts) > before + 1)
    return handle, before + 1


CASES: Mapping[str, Callable[[Lane, str, Begin], Awaitable[tuple[Handle, int]]]] = {
    "rendering": _rendering,
    "encoding": _encoding,
    "waiting": _waiting,
}
