"""Sending an order: the one step that costs money, and its bookkeeping around it."""

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import structlog
from temporalio import activity

from activities._order import callback_url, job_of, order_of
from activities.gatekeeping import Slots
from activities.kling_pace import KlingPace
from studio.callback_address import CallbackAddresses
from studio.contracts.clip import ClipJob, ClipSubmission
from studio.errors import (
    DatabaseUnavailable,
    Maintenance,
    ProviderDown,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RateLimitExhausted,
    StudioError,
    SubmissionUnknown,
)
from studio.prompts import motion
from studio.providers.kie import KieClient
from studio.store.orders import Submission
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()

LONGEST_LOOK_AT_BALANCE = 3.0
"""Seconds an order waits for the account's balance."""


class Ordering:
    """Orders clips at KIE.ai, each at most once."""

    def __init__(
        self,
        kie: KieClient,
        ledger: SubmissionLedger,
        slots: Slots,
        pace: KlingPace,
        callbacks: CallbackAddresses | None,
    ) -> None:
        self._callbacks = callbacks
        self._kie = kie
        self._ledger = ledger
        self._slots = slots
        self._pace = pace

    async def order(self, clip: ClipSubmission) -> ClipJob:
        """Order the clip, or find the order that was accepted before.

        An order on its way is seen through even when the activity is cancelled meanwhile.
        """
        submission = await self._ledger.intend(order_of(clip), sender=_sender(), unsent_claim=_unsent_claim())
        if submission.task_id is not None:
            _log.info("clip.adopted", task_id=submission.task_id)
            await self._slots.accepted(clip.slot)
            return job_of(clip, submission, submission.task_id)
        sending = asyncio.create_task(self._send(clip, submission))
        try:
            return await asyncio.shield(sending)
        except asyncio.CancelledError:
            return await sending

    async def _send(self, clip: ClipSubmission, submission: Submission) -> ClipJob:
        claim = f"{_sender()}/{uuid.uuid4()}"
        credits = await self._balance()
        with _told_to_the_next_attempt(claim):
            tries = await self._ledger.send(submission, claim, credits=credits)
        try:
            task_id = await self._kie.create_task(
                model=clip.model,
                prompt=motion.render(clip.prompt),
                image_url=clip.image_url,
                seconds=clip.seconds,
                callback_url=callback_url(self._callbacks, submission),
            )
        except SubmissionUnknown as lost:
            await self._ledger.lose(submission.id, str(lost), credits=await self._balance())
            _log.error("order.lost", submission_id=submission.id, price_usd=str(submission.price_usd))
            raise
        except StudioError as no:
            with _told_to_the_next_attempt(claim):
                raise await self._refused(clip, submission, no, tries=tries, credits=credits) from None
        await self._receipt(submission, task_id)
        await self._slots.accepted(clip.slot)
        return job_of(clip, submission, task_id)

    async def _balance(self) -> Decimal | None:
        """The account's balance, when it is told soon: evidence, not worth waiting or failing for."""
        try:
            async with asyncio.timeout(LONGEST_LOOK_AT_BALANCE):
                return await self._kie.credit()
        except (StudioError, TimeoutError):
            return None

    async def _refused(
        self, clip: ClipSubmission, submission: Submission, no: StudioError, *, tries: int, credits: Decimal | None
    ) -> StudioError:
        """Certainly nothing was created: the order may be sent again later, or not at all."""
        if isinstance(no, (RateLimited, Maintenance, ProviderUnavailable)):
            if tries < self._pace.tries(no):
                await self._ledger.put_back(submission.id, str(no))
                no.retry_after = self._pace.pause(no, tries)
                return no
            no = _too_often(no, tries)
        if isinstance(no, ProviderError) and no.stops_everyone:
            # Not the balance of now: it may have been topped up since the order left.
            await self._slots.trip(clip.slot.gate, no, credits=credits)
        await self._ledger.refuse(submission.id, str(no))
        return no

    async def _receipt(self, submission: Submission, task_id: str) -> None:
        _log.info("clip.submitted", task_id=task_id, submission_id=submission.id)
        try:
            await self._ledger.accept(submission.id, task_id)
        except DatabaseUnavailable:
            # The receipt goes into the film's history all the same; the ledger learns of it when the clip is done.
            _log.error("clip.receipt_not_stored", task_id=task_id, submission_id=submission.id)


def _too_often(error: ProviderError, tries: int) -> ProviderError:
    if isinstance(error, RateLimited):
        return RateLimitExhausted(f"Rate limit exhausted: {tries} tries")
    return ProviderDown(f"{error}: {tries} tries")


@contextmanager
def _told_to_the_next_attempt(claim: str) -> Iterator[None]:
    """When the ledger cannot be told that nothing was sent, the next attempt is: it may send this claim's order."""
    try:
        yield
    except DatabaseUnavailable:
        activity.heartbeat(claim)
        raise


def _sender() -> str:
    """This step of this run, through all its attempts."""
    info = activity.info()
    return f"{info.workflow_run_id}/{info.activity_id}"


def _unsent_claim() -> str | None:
    details = activity.info().heartbeat_details
    return str(details[0]) if details else None
