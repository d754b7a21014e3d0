"""How a clip ended that did not come about: a failed step as a value, in the words of a person who reads it."""

from typing import Literal

from temporalio.exceptions import ActivityError, ApplicationError, FailureError, RetryState, TimeoutError

from activities.kling import KlingActivities
from studio.contracts.clip import ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.size import NEXT_RUN_TOO_LARGE
from studio.contracts.video import VideoRequest, VideoStatus
from studio.errors import BudgetReached, InvalidRequest, StillRendering, SubmissionUnknown
from workflows_temporal.slot import GateShut
from workflows_temporal.stops import STOPPED


def not_ordered(shut: GateShut, clip: ClipRequest) -> ClipOutcome:
    """A clip that was not even tried, because another one met a reason that meets them all."""
    kind = shut.type or ""
    return ClipOutcome(number=clip.number, status=_status(kind), error_type=kind, error=f"Not ordered: {shut.message}")


def stopped_clip(number: int) -> ClipOutcome:
    """A clip that somebody stopped while it was made."""
    words = "stopped; `video resume` makes it, `video edit` changes it first"
    return ClipOutcome(number=number, status=ClipStatus.FAILED, error_type=STOPPED, error=words)


def failure_of(error: ActivityError, video: VideoRequest, clip: ClipRequest) -> ClipOutcome:
    """A step's failure in the words of a person who reads it."""
    kind, reason = kind_of(error), reason_of(error)
    if error.activity_type == KlingActivities.await_clip.__name__ and error.retry_state is RetryState.TIMEOUT:
        late = f"Clip {clip.number}/{len(video.clips)} exceeded {_duration(video.clip_deadline_seconds)}"
        expected = kind in (StillRendering.__name__, TimeoutError.__name__)
        kind, reason = "ClipTimedOut", late if expected else f"{late}: {reason}"
    return ClipOutcome(
        number=clip.number,
        status=_status(kind),
        error_type=kind,
        error=reason,
    )


def _status(error_type: str) -> Literal[ClipStatus.FAILED, ClipStatus.UNKNOWN, ClipStatus.HELD]:
    match error_type:
        case SubmissionUnknown.__name__:
            return ClipStatus.UNKNOWN
        case BudgetReached.__name__:
            return ClipStatus.HELD
    return ClipStatus.FAILED


def is_unknown(error: BaseException | None) -> bool:
    return isinstance(error, ActivityError) and kind_of(error) == SubmissionUnknown.__name__


def ending_of(error: FailureError, *, begun: bool) -> VideoStatus:
    """The status of a video whose workflow fails with this error.

    Args:
        begun: its takes were written down; before that, a request that is wrong is refused.
    """
    own = error.type if isinstance(error, ApplicationError) else None
    kind = kind_of(error) if isinstance(error, ActivityError) else own
    if kind == NEXT_RUN_TOO_LARGE:
        return VideoStatus.VIDEO_ERROR
    return VideoStatus.REFUSED if kind == InvalidRequest.__name__ and not begun else VideoStatus.FAILED


def message_of(error: FailureError) -> str:
    """Why a workflow ends, for a person."""
    return reason_of(error) if isinstance(error, ActivityError) else error.message


def _cause(error: ActivityError) -> BaseException | None:
    """What the step itself said last; a deadline that passed stands in front of it."""
    cause = error.cause
    return cause.cause if isinstance(cause, TimeoutError) and cause.cause is not None else cause


def kind_of(error: ActivityError) -> str:
    cause = _cause(error)
    return (cause.type if isinstance(cause, ApplicationError) else None) or type(cause).__name__


def reason_of(error: ActivityError) -> str:
    cause = _cause(error)
    return cause.message if isinstance(cause, ApplicationError) else f"{error.activity_type}: {cause}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return f"{seconds} seconds"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
