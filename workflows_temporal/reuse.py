"""Using takes that are there already, before anything is made."""

from collections.abc import Iterable, Sequence

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.takes import TakeActivities
from studio.contracts.clip import ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.take import TakesToUse
from studio.contracts.video import VideoName
from studio.errors import MediaChanged, MediaMissing
from workflows_temporal.outcome import kind_of
from workflows_temporal.policies import USE_TAKES
from workflows_temporal.recorder import revision

_LOST = (MediaMissing.__name__, MediaChanged.__name__)


async def use_takes(video: VideoName, takes: Sequence[str], todo: Iterable[ClipRequest]) -> list[ClipOutcome]:
    """The outcomes of those clips of `todo` that need not be made.

    A take that was chosen and is not there is a failure: there is nothing else to make of its clip.
    """
    wanted = {clip.number: takes[clip.number - 1] for clip in todo}
    to_use = TakesToUse(channel=video.channel, video_id=video.video_id, takes=wanted, revision=revision())
    used = await workflow.execute_activity_method(TakeActivities.use_takes, to_use, **USE_TAKES)
    there = {outcome.number for outcome in used.outcomes}
    return used.outcomes + [_missing(clip) for clip in todo if clip.take is not None and clip.number not in there]


async def lost_takes(video: VideoName, done: Iterable[ClipOutcome], error: ActivityError) -> list[int]:
    """The clips whose files are not what they were, if that is what a step says. Their takes are not there any more."""
    if kind_of(error) not in _LOST:
        return []
    takes = {outcome.number: outcome.take for outcome in done if outcome.take is not None}
    to_check = TakesToUse(channel=video.channel, video_id=video.video_id, takes=takes, revision=revision())
    lost = await workflow.execute_activity_method(TakeActivities.find_lost_takes, to_check, **USE_TAKES)
    return lost.numbers


def _missing(clip: ClipRequest) -> ClipOutcome:
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.FAILED,
        error_type="MediaMissing",
        error=f"The chosen take {(clip.take or '')[:12]} is not in the object store as it was - Choose another one",
    )
