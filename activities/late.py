"""Clips that are finished when nobody waits for them any more: paid for, so they are brought home as takes."""

from datetime import UTC, datetime

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._settling import billed, settle
from activities.kling_pace import KlingPace
from studio.contracts.clip import ClipId
from studio.contracts.take import LateClip, LateOrder, TakeParts
from studio.errors import InvalidRequest, StillRendering
from studio.providers.kie import KieClient, KieTask
from studio.store.orders import Submission
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.takes import digest_of_take

_log = structlog.get_logger()


class LateActivities:
    """Looks after orders of films that have ended, on the queue of those who have the key."""

    def __init__(self, kie: KieClient, ledger: SubmissionLedger, takes: TakeStore, *, pace: KlingPace) -> None:
        self._kie = kie
        self._ledger = ledger
        self._takes = takes
        self._pace = pace

    @activity.defn
    async def await_late(self, late: LateOrder) -> LateClip | None:
        """What came of an order; None when its clip is here already. The books are closed.

        Raises:
            InvalidRequest: there is no such order, or the task a callback named is not its.
            StillRendering: not done yet.
        """
        async with beating():
            order = await self._ledger.find(late.submission_id)
            if order is None or order.verdict == "bad":
                raise InvalidRequest(f"no clip can come of an order {late.submission_id}")
            if await self._is_here(order):
                return None
            task_id, task = await self._task(order, late)
            await settle(self._ledger, order.id, task_id, task, price_usd=order.price_usd)
            if task.state == "fail":
                raise task.failed()
            return await self._clip(order, task_id, task)

    async def _is_here(self, order: Submission) -> bool:
        take = (await self._takes.finished(order.channel, [order.take])).get(order.take)
        return take is not None and take.task_id == order.task_id

    async def _task(self, order: Submission, late: LateOrder) -> tuple[str, KieTask]:
        task_id = order.task_id or late.task_id
        if task_id is None:
            raise InvalidRequest(f"order {order.id} has no task")
        task = await self._kie.record_info(task_id)
        if order.task_id is None and task.reference != order.id:
            raise InvalidRequest(f"task {task_id} was ordered under another id ({task.reference or 'none'})")
        if task.state == "running" or (task.state == "success" and not task.urls):
            waited = datetime.now(UTC) - activity.info().scheduled_time
            raise StillRendering("the provider is not done yet", retry_after=self._pace.next_look(waited))
        return task_id, task

    async def _clip(self, order: Submission, task_id: str, task: KieTask) -> LateClip:
        parts = await self._takes.parts(order.channel, order.take)
        if parts is None:
            raise InvalidRequest(f"nobody knows what order {order.id} is made from")
        take = order.take
        if await self._takes.finished(order.channel, [take]) or await self._ledger.is_superseded(order):
            take, parts = await self._further(order, parts)
        _log.info("late.delivered", submission_id=order.id, task_id=task_id, take=take)
        return LateClip(
            channel=order.channel,
            video_id=order.video_id,
            number=order.number,
            take=take,
            parts=parts,
            submission_id=order.id,
            task_id=task_id,
            url=task.urls[0],
            cost_usd=billed(task, price_usd=order.price_usd),
        )

    async def _further(self, order: Submission, parts: TakeParts) -> tuple[str, TakeParts]:
        """The same take was bought again meanwhile: this one becomes a further take of the same inputs."""
        while True:
            parts = parts.model_copy(update={"variant": parts.variant + 1})
            take = digest_of_take(parts)
            if not await self._takes.finished(order.channel, [take]):
                clip = ClipId(channel=order.channel, video_id=order.video_id, number=order.number)
                await self._takes.want_another(clip, take, parts)
                return take, parts
