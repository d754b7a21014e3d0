"""The way of one clip."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, TimeoutError, is_cancelled_exception

from activities.animatic import AnimaticActivities
from activities.hosting import HostingActivities
from activities.keeping import KeepingActivities
from activities.kling import KlingActivities
from studio.contracts.clip import (
    ClipFile,
    ClipId,
    ClipJob,
    ClipOutcome,
    ClipRequest,
    ClipStatus,
    ClipSubmission,
    ClipToDraw,
    ClipToKeep,
    RenderedClip,
    StillToHost,
)
from studio.contracts.film import Provider, VideoRequest
from studio.errors import LinkExpired, StillRendering, SubmissionUnknown
from workflows_temporal.policies import DRAW, HOST, KEEP, KLING_SUBMIT, RENEW, kling_await, titled
from workflows_temporal.slot import Gate, GateShut, Seat
from workflows_temporal.table import Table


async def try_clip(film: VideoRequest, clip: ClipRequest, gate: Gate, table: Table) -> ClipOutcome:
    """Make the clip, with a failure as a value: one clip must not sink the other seventeen."""
    make = draw_clip if film.provider is Provider.ANIMATIC else order_clip
    try:
        return await make(film, clip, gate, table)
    except GateShut as shut:
        return ClipOutcome(
            number=clip.number, status=ClipStatus.FAILED, error_type=shut.type, error=f"Not ordered: {shut.message}"
        )
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return failure_of(error, film, clip)


async def order_clip(film: VideoRequest, clip: ClipRequest, gate: Gate, table: Table) -> ClipOutcome:
    """Have the clip made by Kling: host the still, take a slot, order, wait, bring the file home."""
    clip_id = ClipId(channel=film.channel, video_id=film.video_id, number=clip.number)
    label = f"clip {clip.number:02d}"
    gate.ensure_open()

    table.mark(clip.number, ClipStatus.HOSTING)
    still = StillToHost(clip=clip_id, still=clip.still)
    hosted = await workflow.execute_activity_method(HostingActivities.host_image, still, **titled(HOST, label))

    # The slot is held only while Kling works, not while files travel.
    table.mark(clip.number, ClipStatus.WAITING)
    async with gate.slot(clip_id) as seat:
        table.mark(clip.number, ClipStatus.SUBMITTING)
        submission = ClipSubmission(
            clip=clip_id,
            image_url=hosted.url,
            still_sha256=clip.still.sha256,
            prompt=clip.prompt,
            seconds=clip.seconds,
            model=film.model,
            slot=seat.slot,
        )
        job = await _submit(submission, seat, label)
        table.mark(clip.number, ClipStatus.RENDERING)
        watch = kling_await(timedelta(seconds=film.clip_deadline_seconds))
        rendered = await workflow.execute_activity_method(KlingActivities.await_clip, job, **titled(watch, label))

    table.mark(clip.number, ClipStatus.KEEPING)
    file = await _keep(film, clip, rendered)
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.DONE,
        file=file,
        task_id=rendered.task_id,
        submission_id=rendered.submission_id,
        cost_usd=rendered.cost_usd,
        generation_seconds=rendered.generation_seconds,
    )


async def _keep(film: VideoRequest, clip: ClipRequest, rendered: RenderedClip) -> ClipFile:
    """Bring the file home; when its address has expired, under a new one."""
    label = f"clip {clip.number:02d}"
    to_keep = ClipToKeep(
        clip=ClipId(channel=film.channel, video_id=film.video_id, number=clip.number),
        task_id=rendered.task_id,
        url=rendered.url,
        seconds=clip.seconds,
        width=film.width,
        height=film.height,
        prompt=clip.prompt,
        camera=clip.camera,
    )
    try:
        return await workflow.execute_activity_method(KeepingActivities.keep_clip, to_keep, **titled(KEEP, label))
    except ActivityError as error:
        if _kind(error) != LinkExpired.__name__:
            raise
    renewed = await workflow.execute_activity_method(KlingActivities.renew_link, rendered, **titled(RENEW, label))
    to_keep = to_keep.model_copy(update={"url": renewed.url})
    return await workflow.execute_activity_method(KeepingActivities.keep_clip, to_keep, **titled(KEEP, label))


async def draw_clip(film: VideoRequest, clip: ClipRequest, gate: Gate, table: Table) -> ClipOutcome:
    """Draw the clip with the local renderer: no provider, no gate, no money."""
    table.mark(clip.number, ClipStatus.RENDERING)
    to_draw = ClipToDraw(
        clip=ClipId(channel=film.channel, video_id=film.video_id, number=clip.number),
        still=clip.still,
        prompt=clip.prompt,
        camera=clip.camera,
        strength=clip.strength,
        seconds=clip.seconds,
        width=film.width,
        height=film.height,
    )
    label = f"clip {clip.number:02d}"
    file = await workflow.execute_activity_method(AnimaticActivities.draw_clip, to_draw, **titled(DRAW, label))
    return ClipOutcome(number=clip.number, status=ClipStatus.DONE, file=file)


async def _submit(submission: ClipSubmission, seat: Seat, label: str) -> ClipJob:
    """Order. When the film is cancelled meanwhile, an order that is on its way is waited for: it has to be known."""
    ordering = workflow.start_activity_method(KlingActivities.submit_clip, submission, **titled(KLING_SUBMIT, label))
    try:
        return await asyncio.shield(ordering)
    except asyncio.CancelledError:
        ordering.cancel()  # ends it at once while it waits for another try; one that is being sent goes on
        await workflow.wait([ordering])
        raise
    finally:
        seat.ordered = _may_be_ordered(ordering)


def _may_be_ordered(ordering: asyncio.Task[ClipJob]) -> bool:
    if not ordering.done() or ordering.cancelled():
        return False
    return ordering.exception() is None or _is_unknown(ordering.exception())


def failure_of(error: ActivityError, film: VideoRequest, clip: ClipRequest) -> ClipOutcome:
    """A step's failure in the words of a person who reads it."""
    kind, reason = _kind(error), _reason(error)
    if error.activity_type == KlingActivities.await_clip.__name__ and error.retry_state is RetryState.TIMEOUT:
        late = f"Clip {clip.number}/{len(film.clips)} exceeded {_duration(film.clip_deadline_seconds)}"
        expected = kind in (StillRendering.__name__, TimeoutError.__name__)
        kind, reason = "ClipTimedOut", late if expected else f"{late}: {reason}"
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.UNKNOWN if _is_unknown(error) else ClipStatus.FAILED,
        error_type=kind,
        error=reason,
    )


def _is_unknown(error: BaseException | None) -> bool:
    return isinstance(error, ActivityError) and _kind(error) == SubmissionUnknown.__name__


def _cause(error: ActivityError) -> BaseException | None:
    """What the step itself said last; a deadline that passed stands in front of it."""
    cause = error.cause
    return cause.cause if isinstance(cause, TimeoutError) and cause.cause is not None else cause


def _kind(error: ActivityError) -> str:
    cause = _cause(error)
    return (cause.type if isinstance(cause, ApplicationError) else None) or type(cause).__name__


def _reason(error: ActivityError) -> str:
    cause = _cause(error)
    return cause.message if isinstance(cause, ApplicationError) else f"{error.activity_type}: {cause}"


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return f"{seconds} seconds"
    return f"{minutes} minute{'s' if minutes > 1 else ''}"
