"""Stopping one of many, from what one sees of it; the others go on."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

from temporalio.exceptions import is_cancelled_exception

K = TypeVar("K")
T = TypeVar("T")

STOPPED = "Stopped"
"""The error type of what somebody stopped."""


class Stops(Generic[K]):
    """What is being made, each by a task of its own, and which of it somebody has stopped."""

    def __init__(self) -> None:
        self._going: dict[K, asyncio.Task[Any]] = {}
        self._stopped: set[K] = set()

    def stop(self, which: K) -> None:
        """Cancel this one. Stopping twice, or what is not being made, changes nothing."""
        if which in self._going and which not in self._stopped:
            self._stopped.add(which)
            self._going[which].cancel()

    async def unless_stopped(self, which: K, making: Coroutine[Any, Any, T], stopped: T) -> T:
        """What comes of it, also when that was quicker than the stop; else `stopped`.

        It is made by the task that asks: a further one would change the order of commands.
        """
        task = asyncio.current_task()
        assert task is not None
        self._going[which] = task
        try:
            return await making
        except (Exception, asyncio.CancelledError) as error:
            if which not in self._stopped or not is_cancelled_exception(error):
                raise
            return stopped
        finally:
            del self._going[which]
            self._stopped.discard(which)


async def undisturbed(work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end, however often the task that asks is cancelled meanwhile: for what a cancellation has to do."""
    doing = asyncio.create_task(work)
    while not doing.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(doing)
    doing.result()
