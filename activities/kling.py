"""Kling clips through KIE.ai: order, and wait for the order."""

import asyncio
import time
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._order import PublicAddresses
from activities._ordering import Ordering
from activities._settling import bill_of, settle
from activities.gatekeeping import Slots
from activities.kling_pace import KlingPace
from studio.contracts.clip import ClipJob, ClipSubmission, RenderedClip
from studio.contracts.gate import GateName
from studio.contracts.money import Account
from studio.errors import (
    DatabaseUnavailable,
    InsufficientCredits,
    PriceMismatch,
    ProviderError,
    StillRendering,
    SubmissionUnknown,
    TaskLost,
)
from studio.objects import keys
from studio.providers.kie import KieClient, KieTask
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()

TIMER_RESOLUTION = timedelta(seconds=1)
"""Temporal's own timers come up to a second late; a look that is due sooner is not worth leaving for."""
LONGEST_STAY = timedelta(seconds=10)
"""How long one attempt goes on looking in short steps: well below its time-out."""


class KlingActivities:
    """Orders clips and waits for them. Nothing here is retried but by Temporal."""

    def __init__(
        self,
        kie: KieClient,
        ledger: SubmissionLedger,
        slots: Slots,
        *,
        pace: KlingPace,
        addresses: PublicAddresses,
    ) -> None:
        self._kie = kie
        self._ledger = ledger
        self._slots = slots
        self._pace = pace
        self._ordering = Ordering(kie, ledger, slots, pace, addresses)

    @activity.defn
    async def check_account(self, gate: GateName) -> Account:
        """Is the key good, and is there money? One question, before eighteen orders are refused."""
        credits = None
        try:
            async with beating():
                credits = await self._kie.credit()
            if credits is not None and credits <= 0:
                raise InsufficientCredits("KIE.ai has no credits left - Top up the account")
        except ProviderError as error:
            if error.stops_everyone:
                await self._slots.trip(gate.gate, error, credits=credits)
            raise
        return Account(credits=credits)

    @activity.defn
    async def submit_clip(self, clip: ClipSubmission) -> ClipJob:
        """Order the clip. This is the step that costs money: it is written down before it is done.

        An order on its way is seen through even when the video is cancelled meanwhile, and one that was accepted
        before is not sent again.

        Raises:
            InvalidRequest: the still is another channel's.
        """
        keys.ensure_of_channel(clip.clip.channel, clip.still)
        async with beating() as heartbeat:
            return await self._ordering.order(clip, heartbeat)

    @activity.defn
    async def await_clip(self, job: ClipJob) -> RenderedClip:
        """Look at the order; `StillRendering` asks Temporal for the next look. Waiting holds no worker.

        The last look gives the slot back and closes the books.
        """
        look = _Looks(self._pace)
        async with beating():
            while True:
                try:
                    return await self._look(job, look)
                except ProviderError as error:
                    pause = error.retry_after
                    if pause is None or pause >= TIMER_RESOLUTION or look.stayed > LONGEST_STAY:
                        raise
                await asyncio.sleep(pause.total_seconds())

    async def _look(self, job: ClipJob, looks: "_Looks") -> RenderedClip:
        try:
            task = await self._kie.record_info(job.task_id)
        except TaskLost as lost:
            await self._absent(job, lost)
            raise looks.again("KIE.ai does not show the task at the moment") from None
        except ProviderError as error:
            await self._note(self._ledger.watch(job.submission_id))
            if error.stops_everyone:
                await self._slots.trip(job.slot.gate, error)
                raise
            raise looks.again(f"The look failed: {error}") from None
        if task.state == "running" or (task.state == "success" and not task.urls):
            await self._note(self._ledger.looked(job.submission_id, job.task_id, watching=True))
            if task.state == "running":
                raise looks.again("Kling is still rendering")
            raise looks.again(f"KIE.ai says the clip is done and names no file (task {job.task_id})")
        await self._end(job, task)
        if task.state == "fail":
            raise task.failed()
        return await self._rendered(job, task)

    async def _absent(self, job: ClipJob, lost: TaskLost) -> None:
        """KIE.ai does not know the task. Absence is no proof: after ten minutes of it the order is unknown.

        Raises:
            SubmissionUnknown: it has been said without a break for so long.
            TaskLost: the order's books were closed without a clip.
        """
        over = await self._ledger.absent(
            job.submission_id, job.task_id, lasting=self._pace.lasting, gap=self._pace.gap, watching=True
        )
        if over is None:
            raise lost
        if over:
            raise SubmissionUnknown(
                f"KIE.ai accepted the order as task {job.task_id} and does not know it any more; it may be paid"
            )

    async def _note(self, writing: Awaitable[None]) -> None:
        """Renew the lease of the order; a database that is away delays nothing."""
        try:
            await writing
        except DatabaseUnavailable as error:
            _log.warning("clip.look_not_noted", error=str(error))

    @activity.defn
    async def renew_link(self, clip: RenderedClip) -> RenderedClip:
        """A fresh address for a finished clip whose first one has expired."""
        async with beating():
            return clip.model_copy(update={"url": await self._kie.download_url(clip.url)})

    async def _end(self, job: ClipJob, task: KieTask) -> None:
        await self._slots.give_back(job.slot)
        try:
            await settle(self._ledger, self._kie, job.submission_id, job.task_id, task, price_usd=job.price_usd)
        except DatabaseUnavailable:
            if task.state == "fail":
                raise
            # A delivered clip does not wait for the database: `record_clips` closes the books later.
            _log.warning("clip.not_settled", task_id=job.task_id)

    async def _rendered(self, job: ClipJob, task: KieTask) -> RenderedClip:
        bill = bill_of(task, price_usd=job.price_usd)
        cost = bill.usd
        if bill.note:  # one odd value is no price: the clip is used, and the books say what stood there
            _log.error("clip.bill_unreadable", task_id=job.task_id, bill=bill.note)
        if cost > job.price_usd:
            mismatch = PriceMismatch(f"KIE.ai billed {cost} USD for a clip of {job.price_usd} USD (task {job.task_id})")
            await self._slots.trip(job.slot.gate, mismatch)
        _log.info("clip.rendered", task_id=job.task_id, cost_usd=str(cost), generation_seconds=task.seconds)
        return RenderedClip(
            clip=job.clip,
            task_id=job.task_id,
            submission_id=None if job.shared else job.submission_id,
            url=task.urls[0],
            cost_usd=Decimal(0) if job.shared else cost,
            generation_seconds=task.seconds,
        )


class _Looks:
    """The looks of one attempt: how long the order has been waited for, by the server's clock and our own progress.

    The server says when the wait was scheduled and when this attempt began, both by its own clock; what passed since
    is measured here. A clock of this machine that is set wrong does not matter.
    """

    def __init__(self, pace: KlingPace) -> None:
        info = activity.info()
        self._pace = pace
        self._waited_before = info.started_time - info.scheduled_time
        self._began = time.monotonic()

    @property
    def stayed(self) -> timedelta:
        """How long this attempt has lasted."""
        return timedelta(seconds=time.monotonic() - self._began)

    def again(self, why: str) -> StillRendering:
        """Ask Temporal for another look."""
        return StillRendering(why, retry_after=self._pace.next_look(self._waited_before + self.stayed))
