"""Moments at which a process may die, and how to be there: all from outside, the product has no hooks for it.

The provider holds an answer back, PostgreSQL holds a lock, Temporal stands still, a file appears in the work folder;
whoever waits for that moment kills while it lasts.
"""

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.ground import Ground, until, words_of

ORDERING, MEDIA = ("one", "two"), ("media",)
"""Worker processes: those that order and watch, and the one that handles files."""
WORKERS: Mapping[str, str] = {"one": "studio,kling", "two": "studio,kling", "media": "media"}
OFTEN = 0.01


@dataclass
class Scene:
    """Where it is to happen."""

    here: Ground
    chance: random.Random
    victim: str
    """A video that has not been started."""
    start: Callable[[], Any]
    """Starts it."""
    clip: int

    async def mute(self) -> None:
        """The provider will not call back about the clip."""
        silent = {"callbacks": {"mode": "never"}}
        await self.here.tell("faults", route="task", match=self.words, script=[silent])

    async def fault(self, **rule: Any) -> int:
        """Have the provider misbehave."""
        return int((await self.here.tell("faults", **rule))["ids"][0])

    async def hit(self, rule: int, times: int = 1) -> None:
        """Wait until a fault has happened."""

        async def hits() -> int:
            return next((int(entry["hits"]) for entry in await self.here.faults() if entry["id"] == rule), 0)

        await until(hits, lambda count: count >= times, every=OFTEN)

    async def task(self) -> str:
        """Wait until the provider has accepted the clip; returns its task."""

        async def tasks() -> list[Any]:
            told = (await self.here.ledger("tasks"))["tasks"]
            return [task["task_id"] for task in told if task["prompt"].startswith(self.words)]

        return str((await until(tasks, bool, every=OFTEN))[0])

    @property
    def words(self) -> str:
        """What the victim's clip is known by at the provider."""
        return words_of(self.victim, self.clip)


Moment = Callable[[Scene], AbstractAsyncContextManager[None]]


def _held_answer(route: str, outcome: Any, *, of_the_clip: bool) -> Moment:
    """The provider holds an answer back."""

    @asynccontextmanager
    async def moment(scene: Scene) -> AsyncIterator[None]:
        match = {"match": scene.words} if of_the_clip else {}
        rule = await scene.fault(route=route, script=[outcome], **match)
        await scene.start()
        await scene.hit(rule)
        await asyncio.sleep(scene.chance.uniform(0, 0.3))
        yield

    return moment


def _held_statement(table: str, words: str, *, slow: Mapping[str, Any] | None = None, first: str = "") -> Moment:
    """PostgreSQL holds a statement back that contains these words.

    Args:
        slow: a fault that widens the gap before that statement.
        first: a query that has to find something before the table is locked.
    """

    @asynccontextmanager
    async def moment(scene: Scene) -> AsyncIterator[None]:
        here = scene.here
        rule = await scene.fault(**slow) if slow is not None else None
        await scene.start()
        if rule is not None:
            await scene.hit(rule)
        while True:
            if first:
                await until(lambda: here.rows(first), bool, every=OFTEN)
            async with here.database.transaction() as holding:
                await holding.execute(f"lock table {table} in exclusive mode")
                if await _blocked(here, words):
                    yield
                    return
            await asyncio.sleep(OFTEN)

    return moment


async def _blocked(here: Ground, words: str, *, looks: int = 40) -> bool:
    """Does a statement with these words wait for a lock? Not for longer than its sender would."""
    for _ in range(looks):
        waiting = await here.rows("select query from pg_stat_activity where wait_event_type = 'Lock'")
        if any(words in row["query"] for row in waiting):
            return True
        await asyncio.sleep(OFTEN)
    return False


@asynccontextmanager
async def _before_the_report(scene: Scene) -> AsyncIterator[None]:
    """The receipt is in the ledger, and Temporal has not been told."""
    rule = await scene.fault(route="createTask", match=scene.words, script=[{"slow_headers": 0.5}])
    await scene.start()
    await scene.hit(rule)
    task_id = await scene.task()
    receipt = "select 1 from submissions where task_id = $1"
    with _standing(scene.here.stack.temporal.process.pid):
        await until(lambda: scene.here.rows(receipt, task_id), bool, every=OFTEN)
        yield


@asynccontextmanager
async def _watching(scene: Scene) -> AsyncIterator[None]:
    """In the middle of a look at the task."""
    await scene.start()
    await scene.hit(await scene.fault(route="recordInfo", match=await scene.task(), script=["hang"]))
    yield


@asynccontextmanager
async def _joining(scene: Scene) -> AsyncIterator[None]:
    """A video is being written. The process is stopped on sight, so that it is still at it when it dies."""
    await scene.start()
    work, pid = scene.here.folder / "work", scene.here.stack.workers["media"].pid
    while True:
        if _video_in_the_making(work):
            with _standing(pid):
                if _video_in_the_making(work):
                    yield
                    return
        await asyncio.sleep(0.002)


def _video_in_the_making(work: Path) -> bool:
    try:
        return any(work.glob("job-*/video*"))
    except FileNotFoundError:  # a folder went away while we looked
        return False


@asynccontextmanager
async def _any_time(scene: Scene) -> AsyncIterator[None]:
    """No particular moment."""
    await scene.start()
    await asyncio.sleep(scene.chance.uniform(0, 2))
    yield


@contextmanager
def _standing(pid: int) -> Iterator[None]:
    """The process stands still for as long as the block lasts, if it lives so long."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class KillPoint:
    """Who dies when."""

    moment: Moment
    dies: tuple[str, ...]
    """Worker processes (all of them), `temporal`, `postgres`, or `anybody`: one worker, drawn."""


POINTS: Mapping[str, KillPoint] = {
    "hosting the still": KillPoint(_held_answer("uploadStream", "hang", of_the_clip=False), ORDERING),
    "before the claim": KillPoint(
        _held_statement(
            "submissions",
            "set state = 'sent'",
            slow={"route": "credit", "script": [{"slow_headers": 0.4}], "repeat": True, "count": 12},
            first="select 1 from submissions where state = 'intended'",
        ),
        ORDERING,
    ),
    "before acceptance": KillPoint(_held_answer("createTask", "hang", of_the_clip=True), ORDERING),
    "after acceptance": KillPoint(_held_answer("createTask", "hang_after", of_the_clip=True), ORDERING),
    "before the receipt": KillPoint(_held_statement("submissions", "set state = 'accepted'"), ORDERING),
    "after the receipt": KillPoint(_before_the_report, ORDERING),
    "watching": KillPoint(_watching, ORDERING),
    "closing the books": KillPoint(_held_statement("submissions", "set state = 'settled'"), ORDERING),
    "writing the video down": KillPoint(_held_statement("videos", "videos"), ORDERING),
    "downloading": KillPoint(_held_answer("files", {"slow_body": 3}, of_the_clip=False), MEDIA),
    "joining": KillPoint(_joining, MEDIA),
    "a worker at any time": KillPoint(_any_time, ("anybody",)),
    "Temporal at any time": KillPoint(_any_time, ("temporal",)),
    "PostgreSQL at any time": KillPoint(_any_time, ("postgres",)),
}
