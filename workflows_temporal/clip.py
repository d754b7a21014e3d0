"""The way of one clip."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.animatic import AnimaticActivities
from activities.hosting import HostingActivities
from activities.kling import KlingActivities
from studio.contracts.clip import (
    ClipId,
    ClipJob,
    ClipOutcome,
    ClipRequest,
    ClipStatus,
    ClipSubmission,
    ClipToDraw,
    RenderedClip,
    StillToHost,
)
from studio.contracts.keeping import ClipToKeep, ClipToUse
from studio.contracts.take import LateOrder
from studio.contracts.video import Provider, VideoRequest
from workflows_temporal import lost
from workflows_temporal.hints import Hints
from workflows_temporal.ingest import ingest_clip
from workflows_temporal.late import look_after
from workflows_temporal.outcome import failure_of, is_unknown, not_ordered, reason_of
from workflows_temporal.policies import DRAW, HOST, KLING_SUBMIT, titled
from workflows_temporal.recorder import revision
from workflows_temporal.render import render_clip
from workflows_temporal.slot import Gate, GateShut, Place, RunEnds
from workflows_temporal.stops import undisturbed
from workflows_temporal.table import Table
from workflows_temporal.watch import look_after_job, watch


async def try_clip(
    video: VideoRequest, clip: ClipRequest, take: str, gate: Gate, table: Table, hints: Hints
) -> ClipOutcome | None:
    """Make the clip, with a failure as a value: one clip must not sink the other seventeen. None: the next run does."""
    try:
        if video.provider is Provider.COMFYUI:
            return await render_clip(video, clip, take, table)
        if video.provider is Provider.ANIMATIC:
            return await draw_clip(video, clip, take, table)
        return await order_clip(video, clip, take, gate, table, hints)
    except RunEnds:
        return None
    except GateShut as shut:
        return not_ordered(shut, clip)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return failure_of(error, video, clip)


async def order_clip(
    video: VideoRequest, clip: ClipRequest, take: str, gate: Gate, table: Table, hints: Hints
) -> ClipOutcome:
    """Have the clip made by Kling: host the still, take a slot, order, wait, bring the file home."""
    clip_id = ClipId(channel=video.channel, video_id=video.video_id, number=clip.number)
    gate.ensure_open()
    while hints.about(clip.number):
        await lost.look_into(clip_id, hints)

    rendered = None
    while rendered is None:
        try:
            rendered = await _render(video, clip, take, gate, table, hints)
        except ActivityError as error:
            if not is_unknown(error) or not await lost.take_up(video, clip_id, take, reason_of(error), hints, table):
                raise

    table.mark(clip.number, ClipStatus.KEEPING)
    try:
        kept = await ingest_clip(_to_keep(video, clip, take, rendered, gate.gate_id), rendered, clip_id.label)
    except BaseException as error:
        if is_cancelled_exception(error) and rendered.submission_id:
            # Its order is done and its slot given back: nobody else would bring it home.
            order = LateOrder(submission_id=rendered.submission_id, task_id=rendered.task_id, receipt=True)
            await undisturbed(look_after(order))
        raise
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.DONE,
        take=take,
        file=kept.file,
        recorded=kept.recorded,
        task_id=rendered.task_id,
        submission_id=rendered.submission_id,
        cost_usd=rendered.cost_usd,
        generation_seconds=rendered.generation_seconds,
    )


async def _render(
    video: VideoRequest, clip: ClipRequest, take: str, gate: Gate, table: Table, hints: Hints
) -> RenderedClip:
    """Host the still, order and wait. The slot is held only while Kling works, not while files travel."""
    clip_id = ClipId(channel=video.channel, video_id=video.video_id, number=clip.number)
    label = clip_id.label
    async with gate.place(clip_id) as place:
        table.mark(clip.number, ClipStatus.HOSTING)
        framing = video.framing(clip)
        still = StillToHost(clip=clip_id, still=clip.still, framing=framing, gate=gate.gate_id, ticket=place.ticket)
        hosted = await workflow.execute_activity_method(HostingActivities.host_image, still, **titled(HOST, label))
        table.mark(clip.number, ClipStatus.WAITING)
        slot = await place.slot(ask_again=timedelta(seconds=hosted.ask_again_seconds))
        table.mark(clip.number, ClipStatus.SUBMITTING)
        submission = ClipSubmission(
            clip=clip_id,
            take=take,
            still=clip.still,
            framing=framing,
            hosted=hosted,
            prompt=clip.prompt,
            seconds=clip.seconds,
            model=video.model,
            slot=slot,
        )
        job = await _submit(submission, place, label)
        table.mark(clip.number, ClipStatus.RENDERING)
        return await watch(job, video.clip_deadline_seconds, label, hints)


def _to_keep(video: VideoRequest, clip: ClipRequest, take: str, rendered: RenderedClip, gate_id: str) -> ClipToKeep:
    return ClipToKeep(
        clip=ClipId(channel=video.channel, video_id=video.video_id, number=clip.number),
        take=take,
        task_id=rendered.task_id,
        url=rendered.url,
        seconds=clip.seconds,
        width=video.width,
        height=video.height,
        prompt=clip.prompt,
        camera=clip.camera,
        gate=gate_id,
        use=ClipToUse(
            submission_id=rendered.submission_id,
            cost_usd=rendered.cost_usd,
            generation_seconds=rendered.generation_seconds,
            revision=revision(),
        ),
    )


async def draw_clip(video: VideoRequest, clip: ClipRequest, take: str, table: Table) -> ClipOutcome:
    """Draw the clip with the local renderer: no provider, no gate, no money."""
    table.mark(clip.number, ClipStatus.RENDERING)
    to_draw = ClipToDraw(
        clip=ClipId(channel=video.channel, video_id=video.video_id, number=clip.number),
        take=take,
        still=clip.still,
        prompt=clip.prompt,
        camera=clip.camera,
        strength=clip.strength,
        seconds=clip.seconds,
        width=video.width,
        height=video.height,
        fit=clip.fit or video.fit,
    )
    label = to_draw.clip.label
    file = await workflow.execute_activity_method(AnimaticActivities.draw_clip, to_draw, **titled(DRAW, label))
    return ClipOutcome(number=clip.number, status=ClipStatus.DONE, take=take, file=file)


async def _submit(submission: ClipSubmission, place: Place, label: str) -> ClipJob:
    """Order. When the video is cancelled meanwhile, an order that is on its way is waited for: it has to be known.

    If it is accepted, it is looked after without the video: what it gives is paid for.
    """
    ordering = workflow.start_activity_method(KlingActivities.submit_clip, submission, **titled(KLING_SUBMIT, label))
    try:
        return await asyncio.shield(ordering)
    except asyncio.CancelledError:
        await undisturbed(_cut_short(ordering))
        if not ordering.cancelled() and ordering.exception() is None:
            await undisturbed(look_after_job(ordering.result()))
        raise
    finally:
        place.ordered = _may_be_ordered(ordering)


async def _cut_short(ordering: asyncio.Task[ClipJob]) -> None:
    """End an order at once while it waits for another try; one that is being sent goes on to its answer.

    What arrived together with the cancellation is heard first: to cancel an activity that has just completed would
    hide its result.
    """
    await workflow.wait_condition(lambda: True)
    ordering.cancel()
    await workflow.wait([ordering])


def _may_be_ordered(ordering: asyncio.Task[ClipJob]) -> bool:
    if not ordering.done() or ordering.cancelled():
        return False
    return ordering.exception() is None or is_unknown(ordering.exception())
