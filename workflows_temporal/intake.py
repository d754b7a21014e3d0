"""Refusing a video, or a round of it, before anything is spent."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from activities.intake import IntakeActivities
from activities.kling import KlingActivities
from studio.contracts.gate import GateName
from studio.contracts.size import too_large
from studio.contracts.video import Provider, VideoRequest, VideoToCheck
from studio.errors import InvalidRequest
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.policies import ACCOUNT, CHECK


def refuse_what_cannot_travel(request: VideoRequest) -> None:
    """Look at the request's size before anything is done with it.

    Raises:
        ApplicationError: type `InvalidRequest`; it would not fit into the input of a step or of the next run.
    """
    if refusal := too_large(request):
        raise ApplicationError(refusal, type=InvalidRequest.__name__, non_retryable=True)


async def refuse_what_cannot_be_made(request: VideoRequest) -> None:
    """Look at every prompt and still.

    Raises:
        ApplicationError: type `InvalidRequest`, with the path and reason of everything wrong. It is the workflow's
            own failure, not that of one of its steps, so callers find the reason where they look first.
    """
    video = VideoToCheck(request=request)
    try:
        await workflow.execute_activity_method(IntakeActivities.check_video, video, **CHECK)
    except ActivityError as error:
        if isinstance(error.cause, ApplicationError):
            raise error.cause from None
        raise


async def account_refusal(request: VideoRequest) -> ActivityError | None:
    """Ask the provider once whether it takes our orders, before every clip finds out for itself; None when it does."""
    if request.provider is not Provider.KLING:
        return None
    try:
        gate = GateName(gate=KLING_GATE_ID)
        await workflow.execute_activity_method(KlingActivities.check_account, gate, **ACCOUNT)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return error
    return None
