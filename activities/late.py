"""Orders without a video: paid for, so their clips are brought here as takes."""

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._order import unproven
from activities._settling import bill_of, settle
from activities.gatekeeping import Slots
from activities.kling_pace import KlingPace
from studio.contracts.clip import ClipId
from studio.contracts.take import LateClip, LateOrder, TakeParts
from studio.errors import InvalidRequest, StillRendering, TaskLost
from studio.providers.kie import KieClient, KieTask
from studio.store.orders import Submission
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.takes import digest_of_take

_log = structlog.get_logger()


class LateActivities:
    """Looks after orders that no video watches, on the queue of those who have the key."""

    def __init__(
        self, kie: KieClient, ledger: SubmissionLedger, takes: TakeStore, slots: Slots, *, pace: KlingPace
    ) -> None:
        self._kie = kie
        self._ledger = ledger
        self._takes = takes
        self._slots = slots
        self._pace = pace

    @activity.defn
    async def await_late(self, late: LateOrder) -> LateClip | None:
        """What came of an order, with its books closed. None: there is nothing (more) to do here now.

        That is when the clip is here already, when a video watches the order (again), or when the provider has not
        known its task for so long that the order is unknown.

        Raises:
            InvalidRequest: there is no such order, or the task a callback named is not its.
            StillRendering: not done yet.
        """
        async with beating():
            order = await self._ledger.find(late.submission_id)
            if order is None or order.verdict == "bad":
                raise InvalidRequest(f"no clip can come of an order {late.submission_id}")
            if await self._ledger.is_here(order.id):
                return None
            if late.recovered and await self._ledger.is_watched(order.id, within=self._pace.unwatched):
                return None
            task_id = _task_id(order, late)
            task = await self._look(order, task_id, late)
            if task is None or await self._handed_back(order, task_id, task):
                return None
            if task.state == "running" or (task.state == "success" and not task.urls):
                await self._ledger.looked(order.id, task_id, watching=False)
                raise self._again("the provider is not done yet")
            await settle(self._ledger, self._kie, order.id, task_id, task, price_usd=order.price_usd)
            if task.state == "fail":
                raise task.failed()
            return await self._clip(order, task_id, task)

    async def _look(self, order: Submission, task_id: str, late: LateOrder) -> KieTask | None:
        """Ask the provider; None when it has not known the task for long."""
        trusted = task_id == order.task_id or late.receipt
        try:
            task = await self._kie.record_info(task_id)
        except TaskLost:
            if not trusted:
                raise unproven(f"the provider does not know a task {task_id}") from None
            over = await self._ledger.absent(
                order.id, task_id, lasting=self._pace.lasting, gap=self._pace.gap, watching=False
            )
            if over or over is None:
                _log.warning("late.absent", submission_id=order.id, task_id=task_id)
                return None
            raise self._again("the provider does not show the task at the moment") from None
        if task.reference != order.id and (task.reference is not None or not trusted):
            why = f"task {task_id} was ordered under another id ({task.reference or 'none'})"
            raise unproven(why) if task.reference is None else InvalidRequest(why)
        return task

    async def _handed_back(self, order: Submission, task_id: str, task: KieTask) -> bool:
        """The task proves that the order was accepted, whatever it was called. True: a video that waits takes it up.

        One that does not leaves it to recovery, which comes again.
        """
        if order.state == "accepted" or order.verdict == "delivered":
            return False
        if order.verdict == "failed" and task.state == "fail":
            raise InvalidRequest(f"order {order.id} failed, and its books are closed")
        was = await self._ledger.accept(order.id, task_id, proven=task.state != "fail")
        _log.info("late.adopted", submission_id=order.id, task_id=task_id, was=was)
        superseded = await self._ledger.is_superseded(order)
        told = await self._slots.order_decided(await self._ledger.wanted_by(order.id))
        return told and not superseded

    def _again(self, why: str) -> StillRendering:
        info = activity.info()  # both times are the server's
        return StillRendering(why, retry_after=self._pace.next_look(info.started_time - info.scheduled_time))

    async def _clip(self, order: Submission, task_id: str, task: KieTask) -> LateClip | None:
        parts = await self._takes.parts(order.channel, order.take)
        if parts is None:
            raise InvalidRequest(f"it is not known what order {order.id} is made from")
        take = order.take
        if await self._takes.finished(order.channel, [take]) or await self._ledger.is_superseded(order):
            if await self._ledger.is_here(order.id):
                return None  # it came here while we looked
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
            cost_usd=bill_of(task, price_usd=order.price_usd).usd,
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


def _task_id(order: Submission, late: LateOrder) -> str:
    """The ledger's own task counts more than one a callback named, unless the ledger has closed that one."""
    closed = order.state == "refused" or order.verdict in ("failed", "written_off")
    task_id = (late.task_id or order.task_id) if closed else (order.task_id or late.task_id)
    if task_id is None:
        raise InvalidRequest(f"order {order.id} has no task")
    return task_id
