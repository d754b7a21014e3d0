"""Starts child processes again that end by themselves, later and later, and gives up on one that keeps ending."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from local.processes import Process, ProcessFailed

PAUSES = (0.2, 1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each new start of a child that ended soon after the one before; after the last it is given up."""
SOON_SECONDS = 30.0
"""A child that ran for so long has proven itself: the next time it ends, the pauses begin anew."""


@dataclass
class Child:
    """A process that is to run for as long as the stack does."""

    name: str
    process: Process
    restart: Callable[[], Awaitable[Process]]
    """Starts it again under its old address; returns when it serves."""
    needs: tuple[str, ...] = ()
    """Children without which it does not come up."""
    vital: bool = False
    """Without it nothing works."""


class Supervisor:
    """Watches the children of a stack until it is cancelled."""

    def __init__(
        self, children: Mapping[str, Child], report: Callable[[str], None], pauses: Sequence[float] = PAUSES
    ) -> None:
        self._children = children
        self._report = report
        self._pauses = pauses
        self._up = {name: asyncio.Event() for name in children}
        for event in self._up.values():
            event.set()

    async def run(self) -> None:
        """Watch them all.

        Raises:
            ProcessFailed: one without which nothing works was given up.
        """
        given_up: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children.values():
                    group.create_task(self._watch(child))
        except* ProcessFailed as failed:
            given_up += failed.exceptions
        if given_up:  # Python before 3.11.4 wraps into a group what is raised in an `except*`
            raise given_up[0]

    async def _watch(self, child: Child) -> None:
        clock = asyncio.get_running_loop().time
        started, soon = clock(), 0
        while True:
            how = await child.process.ended()
            self._up[child.name].clear()
            soon = soon + 1 if clock() - started < SOON_SECONDS else 1
            for attempt in range(soon - 1, len(self._pauses)):
                self._report(f"{child.name} {how}; it is started again")
                try:
                    await self._start_again(child, self._pauses[attempt])
                    break
                except ProcessFailed as failed:
                    how, soon = f"did not start ({_first_line(failed)})", attempt + 2
            else:
                return self._give_up(child, how)
            started = clock()

    async def _start_again(self, child: Child, pause: float) -> None:
        await asyncio.sleep(pause)
        for name in child.needs:
            if name in self._up:
                await self._until_up(name)
        child.process = await child.restart()
        self._up[child.name].set()
        self._report(f"{child.name} runs again")

    async def _until_up(self, name: str) -> None:
        """Wait until a child runs, also when it has ended and its own task has not noticed yet."""
        while True:
            await self._up[name].wait()
            if self._children[name].process.alive:
                return
            await asyncio.sleep(0.01)

    def _give_up(self, child: Child, how: str) -> None:
        sentence = f"{child.name} {how}, {len(self._pauses) + 1} times in a row; it is not started again"
        last = child.process.last_words(600).strip()
        sentence += f". The end of its log, {child.process.log}:\n{last}" if last else f": {child.process.log}"
        if child.vital:
            raise ProcessFailed(sentence)
        self._report(f"{sentence}\nRepair the cause, then stop with Ctrl-C and start again with `starter.py up`")


def _first_line(failed: ProcessFailed) -> str:
    return str(failed).partition("\n")[0].rstrip(":")
