"""A lost order: it was sent, and nobody knows whether the provider accepted it."""

from collections.abc import Iterable

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.desk import DeskActivities
from studio.contracts.clip import ClipId, ClipOutcome, ClipStatus
from studio.contracts.desk import CALLBACK, Decision, DecisionKind, LostClip
from studio.contracts.take import LateOrder
from studio.contracts.video import OnUnknown, VideoName, VideoRequest
from workflows_temporal.hints import Hints
from workflows_temporal.history import is_long
from workflows_temporal.late import look_after
from workflows_temporal.policies import DECIDE, titled
from workflows_temporal.slot import RunEnds
from workflows_temporal.table import Table


async def take_up(video: VideoRequest, clip: ClipId, take: str, reason: str, hints: Hints, table: Table) -> bool:
    """Do as the video's policy says; True when the order can be taken up again, False when a person is needed.

    Raises:
        RunEnds: the next run of the video goes on waiting, until the same moment.
    """
    if video.on_unknown is OnUnknown.RESUBMIT and await _resubmit(video, clip, take):
        return True
    if video.on_unknown is OnUnknown.FAIL:
        return False
    table.mark(clip.number, ClipStatus.UNKNOWN, reason)
    deadline = table.unknown_until.setdefault(clip.number, workflow.time() + video.unknown_wait_seconds)
    while (left := deadline - workflow.time()) > 0:
        try:
            await workflow.wait_condition(lambda: hints.about(clip.number) or is_long(), timeout=left)
        except TimeoutError:
            return False
        if not hints.about(clip.number):
            raise RunEnds
        if await look_into(clip, hints):
            del table.unknown_until[clip.number]
            return True
    return False


async def look_into(clip: ClipId, hints: Hints) -> bool:
    """Follow the hint; True when the order's fate is known now. A forged callback changes nothing."""
    callback = hints.take(clip.number)
    if callback is None:
        return True  # the desk has decided
    adoption = Decision(
        submission_id=callback.submission_id,
        kind=DecisionKind.ADOPT,
        who=CALLBACK,
        why="the provider called back with our id",
        task_id=callback.task_id,
    )
    try:
        await workflow.execute_activity_method(DeskActivities.decide_order, adoption, **titled(DECIDE, clip.label))
    except ActivityError as error:
        return _is_no(error)
    return True


def lost_clips(video: VideoName, outcomes: Iterable[ClipOutcome]) -> list[ClipId]:
    """The clips of a video that wait for somebody to find out about their orders."""
    return _clips(video, outcomes, ClipStatus.UNKNOWN)


def failed_clips(video: VideoName, outcomes: Iterable[ClipOutcome]) -> list[ClipId]:
    """The clips whose orders were refused or failed, as far as is known: a callback may prove the opposite."""
    return _clips(video, outcomes, ClipStatus.FAILED)


async def heard_of(lost: Iterable[ClipId], failed: Iterable[ClipId], hints: Hints) -> bool:
    """Whether something is known now of one of them, so that another round is worth it."""
    heard = [await look_into(clip, hints) for clip in lost if hints.about(clip.number)]
    heard += [await look_into(clip, hints) for clip in failed if hints.called(clip.number)]
    return any(heard)


async def look_elsewhere(hints: Hints, outcomes: Iterable[ClipOutcome]) -> None:
    """Callbacks that no clip took are about other orders than the clips came from: they are looked after beside."""
    used = {outcome.submission_id for outcome in outcomes}
    for callback in hints.left():
        if callback.submission_id not in used and hints.looks_elsewhere(callback.submission_id):
            await look_after(LateOrder(submission_id=callback.submission_id, task_id=callback.task_id))


def _clips(video: VideoName, outcomes: Iterable[ClipOutcome], status: ClipStatus) -> list[ClipId]:
    numbers = [outcome.number for outcome in outcomes if outcome.status is status]
    return [ClipId(channel=video.channel, video_id=video.video_id, number=number) for number in numbers]


async def _resubmit(video: VideoRequest, clip: ClipId, take: str) -> bool:
    lost = LostClip(clip=clip, take=take, most=video.most_resubmits)
    try:
        await workflow.execute_activity_method(DeskActivities.resubmit_lost, lost, **titled(DECIDE, clip.label))
    except ActivityError as error:
        return _is_no(error)
    return True


def _is_no(error: ActivityError) -> bool:
    """False: it could not be done. Being cancelled is another matter."""
    if is_cancelled_exception(error):
        raise error
    return False
