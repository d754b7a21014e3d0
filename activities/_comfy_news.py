"""What an attempt at a render tells while it runs: to the next attempt and the web UI, and to whoever listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import activity

from studio.contracts.clip import ClipId
from studio.contracts.progress import MOST_NOTE, Progress, Stage
from studio.contracts.rendering import GraphToRender, RenderState
from studio.store.events import EventStore

BETWEEN_BEATS = 0.5
"""Seconds from one heartbeat to the next at most: a cancellation comes in with the answer to one."""
BETWEEN_EVENTS = 0.5
"""Seconds from one event to the next at least: a sampler tells every step."""

LEAST_DONE = 0.02
"""Of the whole that has to be done since the first step before the rest can be estimated."""
_SHOWN = (Stage.RENDERING, Stage.KEEPING)
"""Stages in which it counts how much is done."""

_STAGES = {
    "preparing": Stage.PREPARING,
    "waiting": Stage.WAITING,
    "rendering": Stage.RENDERING,
    "stalled": Stage.STALLED,
    "keeping": Stage.KEEPING,
    "cancelling": Stage.CANCELLED,
}


class RenderNews:
    """The state of this attempt. It knows what the one before knew of servers, failures and losses."""

    def __init__(self, order: GraphToRender, events: EventStore) -> None:
        left = activity.info().heartbeat_details
        before = RenderState.model_validate(left[0]) if left else RenderState()
        self.state = before.model_copy(
            update={"stage": "preparing", "ahead": None, "node": "", "fraction": 0.0, "trouble": ""}
        )
        self.preview: str | None = None
        self.farewell = ""
        """What became of a render that was called off."""
        self._order = order
        self._events = events
        self._changed = asyncio.Event()
        self._first_step: tuple[float, float] | None = None
        """When a sampler had its first step done, and how much of the whole was done then."""
        self._moved = self._now()

    def tell(self, **changes: Any) -> None:
        """Something has changed. What is called off stays so, whatever else is told of it.

        A render that waits, or begins anew, has nothing done. That it is stalled is no movement.
        """
        if self.state.stage == "cancelling":
            changes.pop("stage", None)
        stage = changes.get("stage")
        if stage in ("preparing", "waiting"):
            changes = {"fraction": 0.0, "node": ""} | changes
            self._first_step = None
        if stage is not None and stage != "stalled":
            changes = {"trouble": ""} | changes
        before, self.state = self.state, self.state.model_copy(update=changes)
        if _without_stall(self.state) != _without_stall(before):
            self._moved = self._now()
        activity.heartbeat(self.state)
        self._changed.set()

    def stepped(self) -> None:
        """A sampler has a step done: from now on the rest can be estimated."""
        if self._first_step is None:
            self._first_step = (self._now(), self.state.fraction)

    def still_for(self) -> timedelta:
        """How long nothing has changed."""
        return timedelta(seconds=self._now() - self._moved)

    @asynccontextmanager
    async def going_out(self) -> AsyncIterator[None]:
        """Say it for as long as the block lasts: heartbeats notice a dead worker, events please those who wait."""
        tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._publish())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    def current(self) -> Progress:
        """How it stands just now, as everybody is told."""
        return self._event(_STAGES[self.state.stage], self._note())

    async def end(self, stage: Stage, note: str = "") -> None:
        """The last event of this attempt."""
        await self._events.publish(self._event(stage, note))

    async def _beat(self) -> None:
        # The first word of all is the server's address: a beat before it would hold it back for a second, and a
        # worker killed within it would leave a prompt that nobody knows of.
        while True:
            await asyncio.sleep(BETWEEN_BEATS)
            activity.heartbeat(self.state)

    async def _publish(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._events.publish(self.current())
            await asyncio.sleep(BETWEEN_EVENTS)

    def _note(self) -> str:
        match self.state.stage:
            case "waiting" if self.state.ahead is not None:
                return f"{self.state.ahead} before it in the server's queue"
            case "stalled":
                return self.state.trouble
            case "cancelling":
                return f"being called off{f' at {self.state.node}' if self.state.node else ''}"
        return self.state.node

    def _event(self, stage: Stage, note: str) -> Progress:
        clip = self._order.clip
        return Progress(
            job=activity.info().workflow_id or "-",
            channel=self._order.channel,
            project_id=clip.video_id if isinstance(clip, ClipId) else clip.project_id,
            sentence_id=None if isinstance(clip, ClipId) else clip.sentence_id,
            clip=clip.number if isinstance(clip, ClipId) else None,
            take=self._order.take,
            stage=stage,
            fraction=1 if stage is Stage.DONE else self.state.fraction if stage in _SHOWN else 0,
            eta_seconds=self._eta() if stage is Stage.RENDERING else None,
            preview=self.preview,
            note=note[:MOST_NOTE],
            at=datetime.now(UTC),
        )

    def _eta(self) -> float | None:
        """By how long it has taken since the first step: loading models says nothing of the rest."""
        if self._first_step is None:
            return None
        since, at = self._first_step
        done = self.state.fraction - at
        if done < LEAST_DONE or self.state.fraction >= 1:
            return None
        return round((self._now() - since) * (1 - self.state.fraction) / done, 1)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _without_stall(state: RenderState) -> RenderState:
    stage = "rendering" if state.stage == "stalled" else state.stage
    return state.model_copy(update={"stage": stage, "trouble": ""})
