"""Kling clips through KIE.ai: order, and wait for the order."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._ordering import Ordering
from activities._settling import billed, settle
from activities.gatekeeping import Slots
from activities.kling_pace import KlingPace
from studio.callback_address import CallbackAddresses
from studio.contracts.clip import ClipJob, ClipSubmission, RenderedClip
from studio.contracts.gate import GateName
from studio.contracts.money import Account
from studio.errors import (
    DatabaseUnavailable,
    InsufficientCredits,
    PriceMismatch,
    ProviderError,
    StillRendering,
    TaskLost,
)
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
        callbacks: CallbackAddresses | None,
    ) -> None:
        self._kie = kie
        self._ledger = ledger
        self._slots = slots
        self._pace = pace
        self._ordering = Ordering(kie, ledger, slots, pace, callbacks)

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

        An order on its way is seen through even when the film is cancelled meanwhile, and one that was accepted
        before is not sent again.
        """
        async with beating():
            return await self._ordering.order(clip)

    @activity.defn
    async def await_clip(self, job: ClipJob) -> RenderedClip:
        """Look at the order; `StillRendering` asks Temporal for the next look. Waiting holds no worker.

        The last look gives the slot back and closes the books.
        """
        leaving = time.monotonic() + LONGEST_STAY.total_seconds()
        async with beating():
            while True:
                try:
                    return await self._look(job)
                except ProviderError as error:
                    pause = error.retry_after
                    if pause is None or pause >= TIMER_RESOLUTION or time.monotonic() > leaving:
                        raise
                await asyncio.sleep(pause.total_seconds())

    async def _look(self, job: ClipJob) -> RenderedClip:
        waited = datetime.now(UTC) - activity.info().scheduled_time
        try:
            task = await self._kie.record_info(job.task_id)
        except TaskLost as lost:
            if waited * self._pace.speed < self._pace.grace:
                raise self._look_again(waited, "KIE.ai does not show the task yet") from None
            await self._end(job, KieTask("fail", credits=Decimal(0), failure=str(lost)))
            raise
        except ProviderError as error:
            if error.stops_everyone:
                await self._slots.trip(job.slot.gate, error)
            error.retry_after = self._pace.next_look(waited) if error.retryable else None
            raise
        if task.state == "running":
            raise self._look_again(waited, "Kling is still rendering")
        if task.state == "success" and not task.urls:
            raise self._look_again(waited, "KIE.ai says the clip is done and names no file")
        await self._end(job, task)
        if task.state == "fail":
            raise task.failed()
        return await self._rendered(job, task)

    @activity.defn
    async def renew_link(self, clip: RenderedClip) -> RenderedClip:
        """A fresh address for a finished clip whose first one has expired."""
        async with beating():
            return clip.model_copy(update={"url": await self._kie.download_url(clip.url)})

    def _look_again(self, waited: timedelta, why: str) -> StillRendering:
        return StillRendering(why, retry_after=self._pace.next_look(waited))

    async def _end(self, job: ClipJob, task: KieTask) -> None:
        await self._slots.give_back(job.slot)
        try:
            await settle(self._ledger, job.submission_id, job.task_id, task, price_usd=job.price_usd)
        except DatabaseUnavailable:
            if task.state == "fail":
                raise
            # A delivered clip does not wait for the database: `record_clips` closes the books later.
            _log.warning("clip.not_settled", task_id=job.task_id)

    async def _rendered(self, job: ClipJob, task: KieTask) -> RenderedClip:
        cost = billed(task, price_usd=job.price_usd)
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
