"""Children that end by themselves: started again, in words, and given up when they keep ending."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from local.processes import Process, ProcessFailed, spawn
from local.supervisor import PAUSES, Child, Supervisor

WAITS = "import time; print('ready', flush=True); time.sleep(600)"
BREAKS = "import sys; print('ready', flush=True); sys.exit('disk full')"


class Children:
    """Real children by name, and what is said about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: dict[str, Child] = {}
        self.said: list[str] = []
        self.heard = asyncio.Event()
        self.started: list[Process] = []

    async def add(self, name: str, programs: list[str], *, needs: tuple[str, ...] = (), vital: bool = False) -> None:
        """A child that runs the first program, after its end the second, and the last one ever after."""
        left = iter(programs[:-1])

        async def start() -> Process:
            argv = [sys.executable, "-c", next(left, programs[-1])]
            process = await spawn(name, argv, log=self.folder / f"{name}.log", listen=True)
            self.started.append(process)
            if not await process.stdout.readline():
                raise ProcessFailed(f"{name} did not start:\nmore")
            return process

        self.all[name] = Child(name, await start(), start, needs, vital)

    def report(self, sentence: str) -> None:
        self.said.append(sentence)
        self.heard.set()

    async def until_said(self, sentence: str) -> None:
        while sentence not in self.said:
            self.heard.clear()
            await self.heard.wait()


@pytest.fixture
async def children(tmp_path: Path) -> AsyncIterator[Children]:
    children = Children(tmp_path)
    yield children
    for process in children.started:
        await process.kill()


async def test_a_killed_child_is_started_again_and_a_line_says_so(children: Children) -> None:
    await children.add("worker studio", [WAITS])
    watching = asyncio.create_task(Supervisor(children.all, children.report).run())
    first = children.all["worker studio"].process
    await first.kill()
    await children.until_said("worker studio runs again")
    assert children.said == ["worker studio was killed by SIGKILL; it is started again", "worker studio runs again"]
    assert children.all["worker studio"].process.running
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    await children.all["worker studio"].process.kill()
    assert len(children.said) == 2  # one that ends while we end is not started again


async def test_a_child_that_keeps_ending_is_given_up_in_words_and_the_others_go_on(children: Children) -> None:
    for name, programs, how in (
        ("ends", [WAITS, BREAKS], "ended with status 1"),
        ("never starts", [WAITS, "import sys; sys.exit('disk full')"], "did not start (never starts did not start)"),
    ):
        await children.add(name, programs)
        supervisor = Supervisor({name: children.all[name]}, children.report, pauses=(0, 0, 0))
        await children.all[name].process.kill()
        await supervisor.run()
        assert sum(sentence.endswith("it is started again") for sentence in children.said) == 3
        assert children.said[-1].startswith(f"{name} {how}, 4 times in a row; it is not started again.")
        assert "disk full" in children.said[-1]
        assert "starter.py up" in children.said[-1]
        children.said.clear()


async def test_without_a_vital_child_there_is_nothing_to_watch(children: Children) -> None:
    await children.add("other", [WAITS])
    await children.add("PostgreSQL", [BREAKS], vital=True)
    with pytest.raises(ProcessFailed, match=r"PostgreSQL ended with status 1, 2 times in a row; .*\n.*disk full"):
        await Supervisor(children.all, children.report, pauses=(0,)).run()


async def test_a_child_waits_for_what_it_needs_also_when_that_has_ended_in_the_same_moment(children: Children) -> None:
    await children.add("Temporal", [WAITS])
    await children.add("worker", [WAITS], needs=("Temporal", "one that is not in this stack"))
    temporal = children.all["Temporal"].process

    def report(sentence: str) -> None:
        if sentence.startswith("worker was killed"):
            temporal.kill_now()
            while temporal.alive:
                pass  # without a turn of the loop: the supervisor has not noticed this end when it goes on
        children.report(sentence)

    watching = asyncio.create_task(Supervisor(children.all, report, pauses=(0,)).run())
    await children.all["worker"].process.kill()
    await children.until_said("worker runs again")
    assert children.said.index("Temporal runs again") < children.said.index("worker runs again")
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


def test_the_pauses_grow() -> None:
    assert list(PAUSES) == sorted(set(PAUSES))
