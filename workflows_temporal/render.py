"""Clips and pictures by ComfyUI: one activity holds the GPU, from upload to stored file."""

from temporalio import workflow

from activities.comfy import ComfyActivities
from studio.contracts.clip import ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.film import VideoRequest
from studio.contracts.rendering import ClipToRender
from workflows_temporal.policies import RENDER, titled
from workflows_temporal.table import Table


async def render_clip(film: VideoRequest, clip: ClipRequest, take: str, table: Table) -> ClipOutcome:
    """Have the clip rendered by the film's graph: no gate, no money; the queue's one slot is the GPU."""
    table.mark(clip.number, ClipStatus.RENDERING)
    to_render = ClipToRender.of(film, clip, take)
    label = f"clip {clip.number:02d}"
    rendered = await workflow.execute_activity_method(ComfyActivities.render_clip, to_render, **titled(RENDER, label))
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.DONE,
        take=take,
        file=rendered.file,
        generation_seconds=rendered.gpu_seconds,
    )
