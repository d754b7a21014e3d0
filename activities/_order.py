"""A clip as an order: what is written down of it, and its receipt."""

from studio.callback_address import CallbackAddresses, CallbackSubject
from studio.contracts.clip import ClipJob, ClipSubmission
from studio.providers.kie_models import kling_model
from studio.store.orders import Order, Submission


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


def callback_url(addresses: CallbackAddresses | None, submission: Submission) -> str | None:
    """Where the provider calls back. Our id rides in it and comes back with every look at the task, too."""
    if addresses is None:
        return None
    clip = submission.clip
    return addresses.of(CallbackSubject("kie", submission.id, clip.channel, clip.video_id, clip.number))
