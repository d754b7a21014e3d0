"""What an attempt at a render tells while it runs: its heartbeats, read by the next attempt and by people."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from temporalio import activity

from activities._heartbeat import LONGEST_SILENCE
from studio.contracts.rendering import RenderState


class RenderNews:
    """The state of this attempt. It begins where the one before stopped."""

    def __init__(self) -> None:
        left = activity.info().heartbeat_details
        self.state = RenderState.model_validate(left[0]) if left else RenderState()

    def tell(self, **changes: Any) -> None:
        """Something has changed."""
        self.state = self.state.model_copy(update=changes)
        activity.heartbeat(self.state)

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Say it again and again for as long as the block lasts: that notices a dead worker."""
        beats = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beats.cancel()

    async def _beat(self) -> None:
        while True:
            activity.heartbeat(self.state)
            await asyncio.sleep(LONGEST_SILENCE)
