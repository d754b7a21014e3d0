"""What a person does beside a run of videos: decide about lost orders, resume videos that stand for another reason."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from benchmarks.ground import Ground, order_id, say
from studio.contracts.desk import Decision, DecisionKind, LostOrder
from studio.errors import DatabaseUnavailable
from studio.store.desk import DeskStore
from workflows_temporal.addresses import TaskQueue, desk_workflow_id
from workflows_temporal.desk import DeskWorkflow
from workflows_temporal.video import VideoWorkflow

WHO = "clerk"
PATIENCE = 15.0
"""Seconds a video stands before somebody looks after it. One whose order was decided about may be about to go on."""
_AWAY = (RPCError, RuntimeError, DatabaseUnavailable, httpx.HTTPError, TimeoutError)
"""Temporal, PostgreSQL or the provider does not answer at the moment: the next round will do."""
_STANDING = "VideoStatus = 'video_error' and ExecutionStatus = 'Running'"


class Clerk:
    """Sits at the desk. It knows nothing but the desk's list, the provider's list and how videos stand."""

    def __init__(self, here: Ground) -> None:
        self._here = here
        self._desk = DeskStore(here.database)
        self._seen: set[str] = set()
        self._standing: dict[str, float] = {}
        self.resumed = 0

    @asynccontextmanager
    async def at_work(self, *, every: float = 1.0) -> AsyncIterator[None]:
        """Look at everything again and again for as long as the block lasts."""
        working = asyncio.create_task(self._work(every))
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def _work(self, every: float) -> None:
        while True:
            with suppress(*_AWAY):
                await self.clear_desk()
                await self.resume_videos()
            await asyncio.sleep(every)

    async def clear_desk(self) -> None:
        """Adopt what the provider has under our id; have the rest sent again.

        An order is looked at when it is still there in the next round: a callback may find it first.
        """
        lost = await self._desk.lost()
        due = [order for order in lost if order.submission_id in self._seen]
        self._seen = {order.submission_id for order in lost}
        if not due:
            return
        known = {order_id(task): str(task["task_id"]) for task in (await self._here.ledger("tasks"))["tasks"]}
        for order in due:
            await self._decide(order, known.get(order.submission_id))

    async def resume_videos(self) -> None:
        """Say `resume` to videos that stand, but not to those that wait for a decision: they go on by themselves."""
        waiting = {f"video/{order.channel}/{order.video_id}" for order in await self._desk.lost()}
        found = {video.id async for video in self._here.temporal.list_workflows(_STANDING)}
        standing = found - waiting
        self._standing = {video: self._standing.get(video, time.monotonic()) for video in standing}
        for video, since in self._standing.items():
            if time.monotonic() - since > PATIENCE:
                await self._here.temporal.get_workflow_handle(video).signal(VideoWorkflow.resume)
                (row,) = await self._here.rows("select message from videos where workflow_id = $1", video)
                say(f"resumed {video}: {row['message']}")
                self.resumed += 1
                self._standing[video] = time.monotonic()

    async def _decide(self, order: LostOrder, task: str | None) -> None:
        kind = DecisionKind.RESUBMIT if task is None else DecisionKind.ADOPT
        why = "the provider's list does not have it" if task is None else "in the provider's list under our id"
        decision = Decision(submission_id=order.submission_id, kind=kind, who=WHO, why=why, task_id=task)
        with suppress(WorkflowFailureError, WorkflowAlreadyStartedError):  # a callback was faster
            await self._here.temporal.execute_workflow(
                DeskWorkflow.run, decision, id=desk_workflow_id(order.submission_id), task_queue=TaskQueue.STUDIO
            )
