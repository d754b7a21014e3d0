"""Videos under kill -9: worker processes die at random moments and inside every step of a clip's way, Temporal and
PostgreSQL are killed and started again; beside that a clerk clears the desk of lost orders. Then the books of the
provider are held against ours, and the same videos are made once more in peace: same takes, same files.

Counted: `doubled`, tasks billed beyond one per clip without a decision at the desk; `lost`, paid clips that are in no
video; `stuck`, videos that do not finish; `in_desk`, orders that were lost and decided about, most of them by a
callback. The seed says which videos, clips and moments are drawn; when exactly a process dies, the machine decides."""

import argparse
import asyncio
import functools
import random
import secrets
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from benchmarks.audit import audit, made_of
from benchmarks.clerk import Clerk
from benchmarks.ground import Ground, Handle, ground, say
from benchmarks.killpoints import POINTS, WORKERS, KillPoint, Scene
from studio.contracts.video import VideoResult

SPEED = 60.0
KIE = {"duration": [60.0, 120.0]}
SETTINGS = {"KLING_SLOTS": "60", "KLING_LOOK_MIN_SECONDS": "20", "KLING_LOOK_MAX_SECONDS": "30"}
KILLED, CALM = "killed", "calm"
"""The two channels."""
REACH = 30.0
"""Seconds within which a moment comes, or is given up."""
STUCK = 120.0
"""Seconds without any video finishing after which the rest is stuck."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", "--films", type=int, default=100)
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--each", type=int, default=4, help="how often every kill point is sought")
    parser.add_argument("--points", default="", help="only these, with commas between them, in this order")
    parser.add_argument("--seed", type=int, default=None)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    seed = secrets.randbelow(1_000_000) if options.seed is None else options.seed
    say(f"seed {seed}")
    began = time.monotonic()
    async with ground(kie=KIE, speed=SPEED, workers=WORKERS, settings=SETTINGS, callbacks=True) as here:
        sweep = Sweep(here, options.videos, options.clips, random.Random(seed))
        clerk = Clerk(here)
        async with clerk.at_work():
            await sweep.through(_plan(options, sweep.chance))
            results, stuck = await sweep.results(KILLED)
        swept = time.monotonic() - began
        say(f"{sum(sweep.kills.values())} kills and {len(results)} videos after {swept:.0f} s; now in peace")
        await here.provider_is_done()
        found = await audit(here, KILLED, results)
        await here.tell("reset", only=["faults"])
        await sweep.begin_all(CALM)
        calm, _ = await sweep.results(CALM)
        killed, peaceful = made_of(results), made_of(calm)
        for name in sorted(name for name in killed.keys() | peaceful.keys() if killed.get(name) != peaceful.get(name)):
            say(f"not the same: {name}: {killed.get(name)}, {peaceful.get(name)}")
    _table(sweep)
    return {
        "films": options.videos,
        "clips": options.videos * options.clips,
        "kills": sum(sweep.kills.values()),
        "doubled": found.doubled,
        "lost": found.lost,
        "stuck": len(stuck),
        "in_desk": found.in_desk,
        "seed": seed,
        "by": found.by,
        "resumed": clerk.resumed,
        "billed": found.billed,
        "still_open": found.still_open,
        "orphaned": found.orphaned,
        "same_takes_in_peace": killed == peaceful,
        "missed": sum(sweep.missed.values()),
        "seconds": round(time.monotonic() - began),
    }


def _plan(options: argparse.Namespace, chance: random.Random) -> list[str]:
    """The kill points in the order in which they are sought."""
    if options.points:
        return [point.strip() for point in options.points.split(",")]
    rounds = [chance.sample(list(POINTS), k=len(POINTS)) for _ in range(options.each)]
    return [point for drawn in rounds for point in drawn]


@dataclass
class Sweep:
    """A run of videos, and the processes that die meanwhile."""

    here: Ground
    videos: int
    clips: int
    chance: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    handles: dict[str, Handle] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    async def through(self, plan: list[str]) -> None:
        """Seek every point of the plan, each with a video of its own; the other videos are spread between them."""
        names = [f"video-{number:03d}" for number in range(1, self.videos + 1)]
        for number, point in enumerate(plan):
            share = names[self.videos * number // len(plan) : self.videos * (number + 1) // len(plan)]
            victim, *others = share or [self.chance.choice(names)]
            await asyncio.gather(*(self.begin(KILLED, name) for name in others))
            await self._seek(point, victim)

    async def begin(self, channel: str, name: str) -> None:
        """Start a video; one that was started already stays as it is."""
        if f"{channel}/{name}" not in self.handles:
            video = await self.here.video(name, clips=self.clips, channel=channel, unknown_wait_seconds=3)
            self.handles[f"{channel}/{name}"] = await self.here.start(video)

    async def begin_all(self, channel: str) -> None:
        """Start all videos."""
        for number in range(1, self.videos + 1):
            await self.begin(channel, f"video-{number:03d}")

    async def results(self, channel: str) -> tuple[list[VideoResult], list[str]]:
        """The finished videos of a channel, and the names of those that are stuck: none has finished for long."""
        waiting = {name: handle for name, handle in self.handles.items() if name.startswith(f"{channel}/")}
        found: list[VideoResult] = []
        moved = time.monotonic()
        while waiting and time.monotonic() - moved < STUCK:
            for name, handle in list(waiting.items()):
                with suppress(RPCError):  # Temporal has just been killed
                    if (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING:
                        found.append(await handle.result())
                        del waiting[name]
                        moved = time.monotonic()
            await asyncio.sleep(0.5)
        for name in waiting:
            say(f"stuck: {name}")
        return found, list(waiting)

    async def _seek(self, name: str, victim: str) -> None:
        point = POINTS[name]
        clip = self.chance.randint(1, self.clips)
        start = functools.partial(self.begin, KILLED, victim)
        scene = Scene(self.here, self.chance, victim, start, clip)
        if self.chance.random() < 0.5:
            await scene.mute()
        dead: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(REACH), point.moment(scene):
                dead = await self._kill(point)
                self.kills[name] += len(dead)
                say(f"{time.monotonic() - self.began:6.1f} s  {name}: {', '.join(dead)} with {victim}, clip {clip}")
        except TimeoutError:
            say(f"missed: {name}, {victim}")
            self.missed[name] += 1
            await scene.start()
        await asyncio.gather(*(self.here.stack.start_worker(worker) for worker in dead if worker in WORKERS))

    async def _kill(self, point: KillPoint) -> tuple[str, ...]:
        match point.dies:
            case ("temporal",):
                await self.here.stack.restart_temporal()
                return point.dies
            case ("postgres",):
                await self.here.stack.restart_postgres()
                return point.dies
            case ("anybody",):
                dies: tuple[str, ...] = (self.chance.choice(list(WORKERS)),)
            case dies:
                pass
        await asyncio.gather(*map(self.here.stack.kill_worker, dies))
        return dies


def _table(sweep: Sweep) -> None:
    say(f"{'kill point':<24}{'killed':>8}{'missed':>8}")
    for name in POINTS:
        say(f"{name:<24}{sweep.kills[name]:>8}{sweep.missed[name]:>8}")
