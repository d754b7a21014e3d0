"""Videos against a KIE.ai in bad weather, and no operator: nobody resumes, decides or tops up anything.

0.6 % of all looks at a task are odd, in every way the simulator knows (each at least once, as far as there are
looks enough), 5 % of downloads are broken in every way, orders, uploads, balances and callbacks come in other
spellings or as a proxy's pages; every bill has float noise. PostgreSQL refuses once with each of seven SQLSTATEs at
each of seven writes; a worker is stopped for longer than its heartbeat while an order of its is on its way, and
another one between its claim and its request; the limiter is terminated once.

Then the books of the provider are held against ours: `doubled`, tasks charged beyond one per clip; `lost`, delivered
clips that are in no video, no take and on no list; `stuck`, videos that neither finish nor wait for a true reason (an
order whose fate is unknown and that is listed, a failure the provider has declared); `untrue`, statuses in PostgreSQL,
the workflow, its search attribute and the command line that disagree, and "done" without a file that decodes;
`books_equal`: every charge of the account belongs to one order of ours with the same bill, where an order of unknown
fate may have cost nothing or its list price. `waiting` and `unresolved` are no fault: without an operator they stay.
The seed decides what happens in which order of calls; which clip makes which call, the machine decides."""

import argparse
import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from benchmarks.ground import Ground, Handle, ground, say, until, words_of
from benchmarks.refusals import CODES, Refusals
from benchmarks.weather_audit import WAITING, audit
from workflows_temporal.addresses import KLING_GATE_ID

SPEED = 60.0
CREDITS = 10_000_000.0
CHANNEL = "weather"
WORKERS = {"one": "studio,kling", "two": "studio,kling", "media": "media"}
SETTINGS = {"KLING_SLOTS": "24", "KLING_LOOK_MIN_SECONDS": "10", "KLING_LOOK_MAX_SECONDS": "15"}
KIE: dict[str, Any] = {
    "credits": CREDITS,
    "duration": [60.0, 120.0],
    "callbacks": {"retries": 3, "retry_wait": 120},
}
UNKNOWN_WAIT_SECONDS = 20
CLIP_DEADLINE_SECONDS = 120
"""Real seconds."""
STALL_SECONDS = 24.0
"""How long a worker stands still: longer than `KLING_SUBMIT`'s heartbeat time-out."""
REACH_SECONDS = 60.0
"""Within which a moment comes, or is given up."""
QUIET_SECONDS = 45.0
"""Waiting videos are left alone for so long without any change before they count as waiting for an operator."""
STUCK_SECONDS = 180.0
"""Without any change at all for so long, the rest is stuck."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", "--films", type=int, default=24)
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--looks", type=float, default=0.006, help="share of looks that are odd")
    parser.add_argument("--downloads", type=float, default=0.05, help="share of downloads that are broken")
    parser.add_argument("--orders", type=float, default=0.1, help="share of orders answered oddly")
    parser.add_argument("--failures", type=float, default=0.02, help="share of tasks that fail")
    parser.add_argument("--first", type=float, default=0.3, help="the same for looks and downloads of a kind not seen")
    parser.add_argument("--without", default="", help="names of variants that do not come, with commas")
    parser.add_argument("--events", default="stall,limiter,postgresql", help="which of these happen, with commas")
    parser.add_argument("--seed", type=int, default=1)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    began = time.monotonic()
    kie = KIE | {"weather": _weather(options)}
    async with ground(kie=kie, speed=SPEED, workers=WORKERS, settings=SETTINGS, callbacks=True) as here:
        storm = Storm(here, random.Random(options.seed), frozenset(options.events.split(",")))
        await storm.refusals.install(rows=options.videos * options.clips, refuse="postgresql" in storm.events)
        await storm.through(options.videos, options.clips)
        stood_still = await storm.settled()
        await here.provider_is_done()
        variants = (await here.ledger("variants"))["variants"]
        found = await audit(here, storm.handles, credits=CREDITS)
        refused = await storm.refusals.counted()
    for line in found.lines():
        say(line)
    _table(variants)
    return {
        "videos": options.videos,
        "clips": options.videos * options.clips,
        "billed": found.billed,
        "doubled": len(found.doubled),
        "lost": len(found.lost),
        "stuck": len(found.stuck),
        "untrue": len(found.untrue),
        "books_equal": not found.books,
        "orphaned": len(found.orphaned),
        "finished": found.finished,
        "waiting": len(found.waiting),
        "unresolved": found.unresolved,
        "odd": {route: sum(names.values()) for route, names in variants.items()},
        "odd_kinds": sum(len(names) for names in variants.values()),
        "refused": refused,
        "stalled_senders": storm.stalls,
        "limiter_terminated": storm.terminations,
        "moved_to_the_end": not stood_still,
        "seed": options.seed,
        "seconds": round(time.monotonic() - began),
    }


def _weather(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "looks": options.looks,
        "downloads": options.downloads,
        "orders": options.orders,
        "uploads": 0.05,
        "balances": 0.1,
        "links": 0.1,
        "callbacks": 0.1,
        "other_formats": 0.03,
        "failures": options.failures,
        "first": {"looks": options.first, "downloads": options.first},
        "credits_noise": True,
        "seed": options.seed,
        "without": [name for name in options.without.split(",") if name],
    }


@dataclass
class Storm:
    """A run of videos, and what happens to them beside the provider's odd answers."""

    here: Ground
    chance: random.Random
    events: frozenset[str]
    handles: dict[str, Handle] = field(default_factory=dict)
    stalls: int = 0
    terminations: int = 0

    def __post_init__(self) -> None:
        self.refusals = Refusals(self.here, self.chance)

    async def through(self, videos: int, clips: int) -> None:
        """Start all videos, stop one worker while it sends, terminate the limiter while others wait."""
        names = [f"video-{number:02d}" for number in range(1, videos + 1)]
        victim = names.pop(self.chance.randrange(len(names)))
        happening: list[Coroutine[Any, Any, None]] = []
        if "stall" in self.events:
            second = names.pop(self.chance.randrange(len(names))) if names else None
            happening.append(self._stalls(await self._sending(victim, clips), victim, second, clips))
        else:
            names.append(victim)
        if "limiter" in self.events:
            happening.append(self._limiter_terminated(videos * clips // 3))
        await asyncio.gather(*happening, *(self._begin(name, clips) for name in names))

    async def _begin(self, name: str, clips: int) -> None:
        request = await self.here.video(
            name,
            clips=clips,
            channel=CHANNEL,
            unknown_wait_seconds=UNKNOWN_WAIT_SECONDS,
            clip_deadline_seconds=CLIP_DEADLINE_SECONDS,
        )
        self.handles[name] = await self.here.start(request)

    async def _sending(self, name: str, clips: int) -> int | None:
        """Start a video; returns the process that sends its first order, when the provider has accepted that one.

        The provider holds its answer back meanwhile.
        """
        rule = {"route": "createTask", "match": words_of(name, 1), "script": [{"slow_headers": 8}]}
        (number,) = (await self.here.tell("faults", **rule))["ids"]
        await self._begin(name, clips)
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                await until(self.here.faults, lambda rules: _hits(rules, number) > 0, every=0.02)
                return await until(lambda: self._sender(self.handles[name]), bool, every=0.02)
        return None

    async def _stalls(self, pid: int | None, sending: str, claiming: str | None, clips: int) -> None:
        """Two workers stand still, one after the other: with an order on its way, and just before one leaves."""
        await self._stalled(pid, f"with an order of {sending} on its way")
        if claiming is not None:
            await self._stalled(await self._claiming(claiming, clips), f"before an order of {claiming} leaves")

    async def _claiming(self, name: str, clips: int) -> int | None:
        """Start a video; returns the process that has claimed its first order and not sent it. It is stopped."""
        slow = {"route": "credit", "script": [{"slow_headers": 0.5}], "repeat": True, "count": 3 * clips}
        await self.here.tell("faults", **slow)
        await self._begin(name, clips)
        intended = "select 1 from submissions where state = 'intended' and video_id = $1"
        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                while True:
                    await until(lambda: self.here.rows(intended, name), bool, every=0.01)
                    async with self.here.database.transaction() as holding:
                        await holding.execute("lock table submissions in exclusive mode")
                        if (pid := await self._blocked_claim()) is not None:
                            os.kill(pid, signal.SIGSTOP)
                            return pid
        return None

    async def _blocked_claim(self, *, looks: int = 60) -> int | None:
        """The worker whose claim waits for our lock: the process at the other end of its connection."""
        waiting = """select client_port from pg_stat_activity
                      where wait_event_type = 'Lock' and query like '%set state = ''sent''%'"""
        for _ in range(looks):
            ports = {row["client_port"] for row in await self.here.rows(waiting)}
            for worker in self.here.stack.workers.values():
                if any(line.laddr.port in ports for line in psutil.Process(worker.pid).net_connections("tcp")):
                    return worker.pid
            await asyncio.sleep(0.01)
        return None

    async def _stalled(self, pid: int | None, words: str) -> None:
        """Have a worker stand still for longer than Temporal waits for its heartbeat."""
        if pid is None:
            say(f"no worker was seen {words}")
            return
        os.kill(pid, signal.SIGSTOP)
        say(f"worker {pid} stands still {words}")
        await asyncio.sleep(STALL_SECONDS)
        os.kill(pid, signal.SIGCONT)
        self.stalls += 1

    async def _sender(self, handle: Handle) -> int | None:
        """The process that sends an order of a video: a worker's identity begins with its process id."""
        pending = (await handle.describe()).raw_description.pending_activities
        ours = {str(worker.pid) for worker in self.here.stack.workers.values()}
        for activity in pending:
            pid = activity.last_worker_identity.partition("@")[0]
            if activity.activity_type.name == "submit_clip" and pid in ours:
                return int(pid)
        return None

    async def _limiter_terminated(self, after: int) -> None:
        """Whatever it knew of who waits and who is in flight is gone."""

        async def accepted() -> int:
            return int((await self.here.ledger("counters"))["counters"]["accepted"])

        with suppress(TimeoutError):
            async with asyncio.timeout(REACH_SECONDS):
                await until(accepted, lambda count: count >= after)
        await self.here.temporal.get_workflow_handle(KLING_GATE_ID).terminate("the benchmark's bad weather")
        self.terminations += 1
        say(f"the limiter is terminated after {await accepted()} orders")

    async def settled(self) -> bool:
        """Wait until every video is finished or waits; returns whether anything stood still before that."""
        before, since = "", time.monotonic()
        while True:
            finished, waiting, picture = await self._look()
            if picture != before:
                before, since = picture, time.monotonic()
            calm = time.monotonic() - since
            if finished == len(self.handles):
                return False
            if finished + waiting == len(self.handles) and calm > QUIET_SECONDS:
                return False
            if calm > STUCK_SECONDS:
                return True
            await asyncio.sleep(1)

    async def _look(self) -> tuple[int, int, str]:
        """How many videos are finished, how many wait, and a picture of everything that changes on the way."""
        finished = 0
        for handle in self.handles.values():
            with suppress(RPCError):
                finished += (await handle.describe()).status is not WorkflowExecutionStatus.RUNNING
        videos = await self.here.rows("select video_id, status, message from videos order by video_id")
        orders = await self.here.rows("select id, state, verdict from submissions order by id")
        tasks = (await self.here.ledger("counters"))["counters"]
        waiting = sum(video["status"] in WAITING for video in videos)
        return finished, waiting, f"{finished} {videos} {orders} {tasks['accepted']} {tasks['in_flight']}"


def _hits(rules: Iterable[dict[str, Any]], number: int) -> int:
    return next((int(rule["hits"]) for rule in rules if rule["id"] == number), 0)


def _table(variants: dict[str, dict[str, int]]) -> None:
    for route, names in variants.items():
        counted = Counter(names)
        say(f"{route:<12} {counted.total():>4}  " + ", ".join(f"{name} {n}" for name, n in counted.most_common()))
    say("PostgreSQL refuses with " + ", ".join(CODES))
