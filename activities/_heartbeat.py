"""Heartbeats while something long goes on: they notice a dead worker and bring a cancellation in."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

LONGEST_SILENCE = 2.0
"""Seconds between two beats at most: a cancellation comes in with the answer to a beat."""


@asynccontextmanager
async def beating() -> AsyncIterator[None]:
    """Beat, well within the activity's own heartbeat timeout, for as long as the block lasts.

    Every beat repeats what an earlier attempt left in its last one: a beat without details would wipe it out.
    """
    info = activity.info()
    if info.heartbeat_timeout is None:
        yield
        return
    every = min(info.heartbeat_timeout.total_seconds() / 3, LONGEST_SILENCE)
    beats = asyncio.create_task(_beat(every, info.heartbeat_details))
    try:
        yield
    finally:
        beats.cancel()


async def _beat(every: float, left: Sequence[Any]) -> None:
    while True:
        activity.heartbeat(*left)
        await asyncio.sleep(every)
