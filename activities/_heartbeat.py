"""Heartbeats while something long goes on: they notice a dead worker and bring a cancellation in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

LONGEST_SILENCE = 2.0
"""Seconds between two beats at most: a cancellation comes in with the answer to a beat."""


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat, well within the activity's own heartbeat timeout, for as long as the block lasts."""
    timeout = activity.info().heartbeat_timeout
    if timeout is None:
        yield
        return
    beats = asyncio.create_task(_beat(min(timeout.total_seconds() / 3, LONGEST_SILENCE)))
    try:
        yield
    finally:
        beats.cancel()


async def _beat(every: float) -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(every)
