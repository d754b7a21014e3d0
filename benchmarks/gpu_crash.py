"""Videos of one clip on ComfyUI servers while something dies: the worker inside the submission, while the server
renders, while the file comes home; the server itself while it renders or while the file comes home; the server is out
of reach when the next worker begins; the answer to the submission is lost.

Counted from the servers' own ledgers: `max_submissions_while_known`, the most submissions of a clip beyond those that
the server lost by a restart (1: nothing was sent again that was still there); `lost`, clips that were not made in
two minutes. `by_case` has the most submissions and attempts as well: 2 only where a restart lost the running prompt.
The seed says how long each render takes and what exactly happens; when it happens, the machine decides."""

import argparse
import asyncio
import random
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.gpulanes import Lane, gpu_lanes
from benchmarks.gpus import gpu_video
from benchmarks.ground import Handle, say, until
from studio.contracts.video import VideoRequest

REACH = 40.0
"""Seconds within which a moment comes."""
GIVEN_UP = 120.0
"""Seconds after which a clip counts as lost."""
AFTER_RESTART = 0.5
"""Seconds that a render takes on a server that has been started anew: it has forgotten what it was told."""
MISSING_ANSWERS = ("accept_then_reset", "zero_bytes", "truncated_body", "invalid_json", "html", "reset_before")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=30, help="of each case")
    parser.add_argument("--lanes", type=int, default=6, help="servers, on which rounds are played at the same time")
    parser.add_argument("--cases", default="", help=f"only these, with commas between them: {', '.join(CASES)}")
    parser.add_argument("--generation", choices=("new", "old"), default="new", help="of the servers")
    parser.add_argument("--seed", type=int, default=None)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    say(f"seed {seed}")
    names = [name.strip() for name in options.cases.split(",")] if options.cases else list(CASES)
    chance = random.Random(seed)
    plan = [(name, number, chance.random()) for name in names for number in range(1, options.rounds + 1)]
    chance.shuffle(plan)
    ends: list[End] = []
    began = time.monotonic()
    async with gpu_lanes(options.lanes, {"generation": options.generation, "prompt_seconds": AFTER_RESTART}) as lanes:
        await asyncio.gather(*(_play(lane, plan, ends) for lane in lanes))
    return {
        "rounds": len(ends),
        "max_submissions_while_known": max(end.submissions - end.restarted_away for end in ends),
        "lost": sum(not end.done for end in ends),
        "by_case": {name: _told([end for end in ends if end.case == name]) for name in names},
        "seed": seed,
        "seconds": round(time.monotonic() - began),
    }


@dataclass(frozen=True)
class End:
    """What became of one round."""

    case: str
    done: bool
    submissions: int
    restarted_away: int
    """Of them: lost by a restart of the server."""
    attempts: int
    seconds: float


def _told(ends: list[End]) -> dict[str, Any]:
    return {
        "rounds": len(ends),
        "max_submissions_while_known": max(end.submissions - end.restarted_away for end in ends),
        "max_submissions": max(end.submissions for end in ends),
        "max_attempts": max(end.attempts for end in ends),
        "lost": sum(not end.done for end in ends),
        "median_seconds": round(statistics.median(end.seconds for end in ends), 1),
    }


async def _play(lane: Lane, plan: list[tuple[str, int, float]], ends: list[End]) -> None:
    while plan:
        case, number, seed = plan.pop()
        end = await _round(lane, case, f"{case.replace(' ', '-')}-{number:02d}", random.Random(seed))
        ends.append(end)
        say(f"{len(ends):4d}  {case:<32} {end.submissions} submissions, {end.seconds:5.1f} s{'' if end.done else ' !'}")


async def _round(lane: Lane, case: str, video: str, chance: random.Random) -> End:
    before, began = len(await lane.gpu.prompts()), time.monotonic()
    scene = Scene(lane, await gpu_video(lane.here, video, clips=1), chance, before)
    async with asyncio.timeout(REACH):
        handle = await CASES[case](scene)
    try:
        async with asyncio.timeout(GIVEN_UP):
            done = (await handle.result()).clips[0].done
    except TimeoutError:
        done = False
        await handle.terminate()
    prompts = (await lane.gpu.prompts())[before:]
    return End(
        case=case,
        done=done,
        submissions=len(prompts),
        restarted_away=sum(prompt["state"] == "lost" for prompt in prompts),
        attempts=len({prompt["prefix"] for prompt in prompts}),
        seconds=time.monotonic() - began,
    )


# ── what happens ─────────────────────────────────────────────────────────


@dataclass
class Scene:
    """Where it happens: a video that has not been started."""

    lane: Lane
    video: VideoRequest
    chance: random.Random
    before: int
    """Prompts in the server's ledger by now."""

    async def start(self, least: float, most: float) -> Handle:
        """Start it; its render will take so many seconds."""
        await self.lane.gpu.tell("config", prompt_seconds=self.chance.uniform(least, most))
        return await self.lane.here.start(self.video)

    async def rendering(self, least: float, most: float) -> Handle:
        """Start it and wait until the server is somewhere in the first half second of the render."""
        handle = await self.start(least, most)
        await self.lane.gpu.prompt(self.before, "running")
        await asyncio.sleep(self.chance.uniform(0, 0.5))
        return handle

    async def downloading(self) -> Handle:
        """Start it and wait until its file is on the way; before it was made the server was asked for it once."""
        hit = await self.lane.gpu.fault(route="view", script=[{"slow_body": 5}], nth=2)
        handle = await self.start(0.1, 0.5)
        await hit()
        await asyncio.sleep(self.chance.uniform(0, 0.5))
        return handle


async def _killed_submitting(scene: Scene) -> Handle:
    """The server has just taken it, or is just about to."""
    hit = await scene.lane.gpu.fault(route="prompt", script=[scene.chance.choice(["hang", "hang_after"])])
    handle = await scene.start(0.1, 12)
    await hit()
    await scene.lane.restart_worker()
    return handle


async def _killed_rendering(scene: Scene) -> Handle:
    """The next worker finds it running, or ended."""
    handle = await scene.rendering(1, 14)
    await scene.lane.restart_worker()
    return handle


async def _killed_downloading(scene: Scene) -> Handle:
    handle = await scene.downloading()
    await scene.lane.restart_worker()
    return handle


async def _server_restarts_rendering(scene: Scene) -> Handle:
    """The one real loss."""
    handle = await scene.rendering(1.5, 4)
    await scene.lane.restart_server()
    return handle


async def _server_restarts_downloading(scene: Scene) -> Handle:
    """It has forgotten the prompt, and has the file."""
    handle = await scene.downloading()
    await scene.lane.restart_server()
    return handle


async def _out_of_reach(scene: Scene) -> Handle:
    """The worker is killed, and for the next one nobody answers at first."""
    gpu = scene.lane.gpu
    handle = await scene.rendering(1, 14)
    await gpu.tell("down", host="api")
    await scene.lane.restart_worker()
    await until(lambda: _attempts(handle), lambda attempts: attempts > 1)
    await asyncio.sleep(scene.chance.uniform(0, 3))
    await gpu.tell("up", host="api")
    return handle


async def _attempts(handle: Handle) -> int:
    """How often Temporal has begun the render."""
    pending = (await handle.describe()).raw_description.pending_activities
    return max((activity.attempt for activity in pending), default=0)


async def _answer_lost(scene: Scene) -> Handle:
    await scene.lane.gpu.fault(route="prompt", script=[scene.chance.choice(MISSING_ANSWERS)])
    return await scene.start(0.1, 1)


CASES: Mapping[str, Callable[[Scene], Awaitable[Handle]]] = {
    "killed submitting": _killed_submitting,
    "killed rendering": _killed_rendering,
    "killed downloading": _killed_downloading,
    "server restarts rendering": _server_restarts_rendering,
    "server restarts downloading": _server_restarts_downloading,
    "out of reach": _out_of_reach,
    "answer lost": _answer_lost,
}
