"""A clip as an order: what is written down of it, its receipt, and what one attempt at sending leaves for the next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from pydantic import ValidationError
from temporalio import activity

from activities.hosting import StillHost, wanted
from studio.callback_address import CallbackAddresses, CallbackSubject
from studio.contracts.base import Contract
from studio.contracts.clip import ClipJob, ClipSubmission
from studio.errors import InvalidRequest, ProviderUnavailable, StudioError
from studio.providers.kie_models import kling_model
from studio.store.orders import Order, Submission

LOOKS_AT_A_CLAIM = 4
"""Looks at a task that only a callback names before it is believed that there is none, or that it is not ours."""
PAUSE_BETWEEN_LOOKS = timedelta(seconds=0.5)


class SendNote(Contract):
    """What an attempt knows that the ledger could not be told: it rides in the heartbeats to the next attempt."""

    submission_id: str
    claim: str
    outcome: Literal["unsent", "accepted", "unknown"]
    task_id: str | None = None
    """The receipt; or the task that an unclear answer named."""
    reason: str = ""


def note_of(details: Sequence[Any]) -> SendNote | None:
    """The note in an activity's heartbeat details, when there is one."""
    try:
        return SendNote.model_validate(details[0]) if details else None
    except ValidationError:
        return None


def order_of(clip: ClipSubmission) -> Order:
    """The order for a clip, at its list price."""
    return Order(
        clip=clip.clip,
        take=clip.take,
        provider="kling",
        model=clip.model,
        seconds=clip.seconds,
        price_usd=kling_model(clip.model).price_usd(clip.seconds),
    )


def job_of(clip: ClipSubmission, submission: Submission, task_id: str) -> ClipJob:
    """The receipt for an accepted order."""
    return ClipJob(
        clip=clip.clip,
        submission_id=submission.id,
        task_id=task_id,
        price_usd=submission.price_usd,
        slot=clip.slot,
        shared=submission.clip != clip.clip,
    )


def unproven(why: str) -> StudioError:
    """This look does not confirm a task that only a callback names: one answer is no proof, a few of them are."""
    attempt = activity.info().attempt
    if attempt < LOOKS_AT_A_CLAIM:
        return ProviderUnavailable(why, retry_after=attempt * PAUSE_BETWEEN_LOOKS)
    return InvalidRequest(why)


@dataclass(frozen=True)
class PublicAddresses:
    """Where a provider reaches what is ours: stills, and the gateway."""

    stills: StillHost
    callbacks: CallbackAddresses | None

    async def still(self, clip: ClipSubmission) -> str:
        """Where the provider fetches the clip's still from now on."""
        return await self.stills.address(wanted(clip), clip.hosted, now=activity.info().started_time)

    def callback(self, submission: Submission) -> str | None:
        """Where it calls back. Our id rides in it and comes back with every look at the task, too."""
        if self.callbacks is None:
            return None
        clip = submission.clip
        return self.callbacks.of(CallbackSubject("kie", submission.id, clip.channel, clip.video_id, clip.number))
