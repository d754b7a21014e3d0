"""Sending an order: the one step that costs money, and its bookkeeping around it."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import structlog
from temporalio import activity

from activities._heartbeat import Heartbeat
from activities._order import PublicAddresses, SendNote, job_of, note_of, order_of
from activities._settling import balance_of
from activities.gatekeeping import Slots
from activities.kling_pace import KlingPace
from studio.contracts.clip import ClipJob, ClipSubmission
from studio.errors import (
    BeingOrdered,
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
from studio.store.order_rows import LOOK_AGAIN
from studio.store.orders import State, Submission
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""The process' own clock, which nobody sets and which also runs while the machine sleeps."""


class Ordering:
    """Orders clips at KIE.ai, each at most once."""

    def __init__(
        self,
        kie: KieClient,
        ledger: SubmissionLedger,
        slots: Slots,
        pace: KlingPace,
        addresses: PublicAddresses,
    ) -> None:
        self._addresses = addresses
        self._kie = kie
        self._ledger = ledger
        self._slots = slots
        self._pace = pace

    async def order(self, clip: ClipSubmission, heartbeat: Heartbeat) -> ClipJob:
        """Order the clip, or find the order that was accepted before.

        An order on its way is seen through even when the activity is cancelled meanwhile, however often.
        """
        note = note_of(heartbeat.details)
        if note is not None:
            await self._catch_up(note)
        unsent = note.claim if note is not None and note.outcome == "unsent" else None
        submission = await self._ledger.intend(order_of(clip), sender=_sender(), unsent_claim=unsent)
        if submission.task_id is not None:
            _log.info("clip.adopted", task_id=submission.task_id)
            await self._slots.accepted(clip.slot)
            return job_of(clip, submission, submission.task_id)
        sending = asyncio.create_task(self._send(clip, submission, heartbeat))
        while not sending.done():
            try:
                await asyncio.shield(sending)
            except asyncio.CancelledError:
                continue  # ours; the order's own end is looked at below
            except Exception:
                break
        return await sending

    async def _catch_up(self, note: SendNote) -> None:
        """Tell the ledger what an earlier attempt knew and could not write."""
        if note.outcome == "accepted" and note.task_id is not None:
            await self._ledger.accept(note.submission_id, note.task_id)
        if note.outcome == "unknown":
            await self._ledger.lose(note.submission_id, note.reason, task_id=note.task_id, claim=note.claim)

    async def _send(self, clip: ClipSubmission, submission: Submission, heartbeat: Heartbeat) -> ClipJob:
        claim = f"{_sender()}/{uuid.uuid4()}"
        unsent = SendNote(submission_id=submission.id, claim=claim, outcome="unsent")
        image_url = await self._addresses.still(clip)
        credits = await balance_of(self._kie)
        heartbeat.leave()
        began = time.clock_gettime(_CLOCK)
        with _left_when_it_cannot_be_written(heartbeat, unsent):
            tries = await self._ledger.send(submission, claim, credits=credits)
            if time.clock_gettime(_CLOCK) - began > self._pace.claim_holds.total_seconds():
                # Others may have given this claim up by now: what leaves after that leaves unseen.
                await self._put_back(submission, "the worker stalled before it sent the order", claim)
                raise BeingOrdered("The order's claim was too old to send", retry_after=LOOK_AGAIN)
        try:
            task_id = await self._kie.create_task(
                model=clip.model,
                prompt=motion.render(clip.prompt),
                image_url=image_url,
                seconds=clip.seconds,
                callback_url=self._addresses.callback(submission),
            )
        except SubmissionUnknown as lost:
            raise await self._lost(submission, lost, unsent, heartbeat) from None
        except StudioError as no:
            with _left_when_it_cannot_be_written(heartbeat, unsent):
                raise await self._refused(clip, submission, no, claim=claim, tries=tries, credits=credits) from None
        except Exception as surprise:
            unclear = SubmissionUnknown(f"{type(surprise).__name__} while the order was sent")
            raise await self._lost(submission, unclear, unsent, heartbeat) from surprise
        heartbeat.leave(unsent.model_copy(update={"outcome": "accepted", "task_id": task_id}))
        await self._receipt(submission, task_id)
        await self._slots.accepted(clip.slot)
        return job_of(clip, submission, task_id)

    async def _lost(
        self, submission: Submission, lost: SubmissionUnknown, note: SendNote, heartbeat: Heartbeat
    ) -> SubmissionUnknown:
        """The provider may have accepted. Everything its answer named is kept, the task first of all."""
        task_id, reason = lost.task_id, str(lost)
        heartbeat.leave(note.model_copy(update={"outcome": "unknown", "task_id": task_id, "reason": reason}))
        _log.error("order.lost", submission_id=submission.id, price_usd=str(submission.price_usd), task_id=task_id)
        await self._ledger.lose(submission.id, reason, task_id=task_id, claim=note.claim)
        credits = await balance_of(self._kie)
        if credits is not None:
            try:
                await self._ledger.note_balance(submission.id, credits)
            except DatabaseUnavailable as error:
                _log.warning("order.balance_not_noted", submission_id=submission.id, error=str(error))
        return lost

    async def _refused(
        self,
        clip: ClipSubmission,
        submission: Submission,
        no: StudioError,
        *,
        claim: str,
        tries: int,
        credits: Decimal | None,
    ) -> StudioError:
        """Certainly nothing was created: the order may be sent again later, or not at all."""
        if isinstance(no, (RateLimited, Maintenance, ProviderUnavailable)):
            if tries < self._pace.tries(no):
                await self._put_back(submission, str(no), claim)
                no.retry_after = self._pace.pause(no, tries)
                return no
            no = _too_often(no, tries)
        if isinstance(no, ProviderError) and no.stops_everyone:
            # Not the balance of now: it may have been topped up since the order left.
            await self._slots.trip(clip.slot.gate, no, credits=credits)
        await self._tell_if_given_up(submission, await self._ledger.refuse(submission.id, str(no), claim=claim))
        return no

    async def _put_back(self, submission: Submission, reason: str, claim: str) -> None:
        await self._tell_if_given_up(submission, await self._ledger.put_back(submission.id, reason, claim=claim))

    async def _receipt(self, submission: Submission, task_id: str) -> None:
        _log.info("clip.submitted", task_id=task_id, submission_id=submission.id)
        try:
            await self._tell_if_given_up(submission, await self._ledger.accept(submission.id, task_id))
        except DatabaseUnavailable as error:
            # The receipt goes into the video's history, and every look at the task writes it into the ledger.
            _log.error("clip.receipt_not_stored", task_id=task_id, submission_id=submission.id, error=str(error))

    async def _tell_if_given_up(self, submission: Submission, was: State | None) -> None:
        """This worker was slow, and its order was called unknown: the videos that wait for it hear what it became."""
        if was != "unknown":
            return
        try:
            await self._slots.order_decided(await self._ledger.wanted_by(submission.id))
        except DatabaseUnavailable as error:
            _log.warning("order.videos_not_told", submission_id=submission.id, error=str(error))


def _too_often(error: ProviderError, tries: int) -> ProviderError:
    if isinstance(error, RateLimited):
        return RateLimitExhausted(f"Rate limit exhausted: {tries} tries")
    return ProviderDown(f"{error}: {tries} tries")


@contextmanager
def _left_when_it_cannot_be_written(heartbeat: Heartbeat, unsent: SendNote) -> Iterator[None]:
    """When the ledger cannot be told that nothing was sent, the next attempt is: it may send this claim's order."""
    try:
        yield
    except DatabaseUnavailable:
        heartbeat.leave(unsent)
        raise


def _sender() -> str:
    """This step of this run, through all its attempts."""
    info = activity.info()
    return f"{info.workflow_run_id}/{info.activity_id}"
