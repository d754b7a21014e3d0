"""Heartbeats while something long goes on: they notice a dead worker and bring a cancellation in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

LONGEST_SILENCE = 2.0
"""Seconds between two beats at most: a cancellation comes in with the answer to a beat."""


class Heartbeat:
    """What the beats of one activity carry: at first what an earlier attempt left, then what this one leaves."""

    def __init__(self) -> None:
        info = activity.info()
        self._details: tuple[Any, ...] = tuple(info.heartbeat_details)
        self._beating = info.heartbeat_timeout is not None

    @property
    def details(self) -> tuple[Any, ...]:
        """The newest details."""
        return self._details

    def leave(self, *details: Any) -> None:
        """Leave this for the next attempt, at once; every later beat repeats it."""
        self._details = details
        self.beat()

    def beat(self) -> None:
        """Send a heartbeat with the newest details: one without any would wipe them out."""
        if self._beating:
            activity.heartbeat(*self._details)


@asynccontextmanager
async def beating() -> AsyncIterator[Heartbeat]:
    """Beat, well within the activity's own heartbeat timeout, for as long as the block lasts."""
    heartbeat, timeout = Heartbeat(), activity.info().heartbeat_timeout
    if timeout is None:
        yield heartbeat
        return
    beats = asyncio.create_task(_beat(heartbeat, min(timeout.total_seconds() / 3, LONGEST_SILENCE)))
    try:
        yield heartbeat
    finally:
        beats.cancel()


async def _beat(heartbeat: Heartbeat, every: float) -> None:
    while True:
        heartbeat.beat()
        await asyncio.sleep(every)
