"""All clips of a round at once, as far as a history holds them."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from studio.contracts.clip import ClipOutcome, ClipRequest
from workflows_temporal.history import is_long
from workflows_temporal.outcome import stopped_clip
from workflows_temporal.policies import CLIPS_IN_FLIGHT
from workflows_temporal.stops import Stops

TryClip = Callable[[ClipRequest], Coroutine[Any, Any, ClipOutcome | None]]


async def fan_out(
    todo: Sequence[ClipRequest], try_clip: TryClip, end: Callable[[ClipOutcome], None], stops: Stops[int]
) -> int:
    """Try all of them; returns how many were. A video whose history is long leaves the rest to its next run."""
    window = asyncio.Semaphore(CLIPS_IN_FLIGHT)

    async def make(clip: ClipRequest) -> ClipOutcome | None:
        async with window:
            return None if is_long() else await try_clip(clip)

    async def run_clip(clip: ClipRequest) -> bool:
        outcome = await stops.unless_stopped(clip.number, make(clip), stopped_clip(clip.number))
        if outcome is not None:
            end(outcome)
        return outcome is not None

    ends = await asyncio.gather(*map(run_clip, todo), return_exceptions=True)
    for one in ends:
        if isinstance(one, BaseException):
            raise one
    return sum(bool(one) for one in ends)
