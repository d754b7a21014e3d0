"""Clips and pictures by ComfyUI: one activity has each of them, from upload to stored file.

For a video it is one step of a clip's way; a sentence's picture or clip is planned before and taken after it.
"""

import asyncio
from collections.abc import Callable

from temporalio import workflow
from temporalio.common import Priority
from temporalio.workflow import ActivityConfig

from activities.comfy import ComfyActivities
from activities.sentences import SentenceActivities
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.rendering import ClipToRender, RenderedGraph
from studio.contracts.sentence import SentenceOutcome, SentencePlan, SentenceRender, SentenceToMake
from studio.contracts.take import RenderedFile
from studio.contracts.video import VideoRequest
from workflows_temporal.policies import CHECK, RENDER, USE_TAKES, titled
from workflows_temporal.table import Table

Tell = Callable[[Stage], None]
"""Hears how far a sentence is."""


async def render_clip(video: VideoRequest, clip: ClipRequest, take: str, table: Table) -> ClipOutcome:
    """Have the clip rendered by the video's graph: no gate, no money; the queue's slot is the GPU."""
    table.mark(clip.number, ClipStatus.RENDERING)
    to_render = ClipToRender.of(video, clip, take)
    policy = _render_policy(video.channel, video.priority, f"clip {clip.number:02d}")
    rendered = await workflow.execute_activity_method(ComfyActivities.render_clip, to_render, **policy)
    return ClipOutcome(
        number=clip.number,
        status=ClipStatus.DONE,
        take=take,
        file=rendered.file,
        generation_seconds=rendered.gpu_seconds,
    )


async def make_sentence(wanted: SentenceToMake, tell: Tell, turns: asyncio.Lock, *, priority: int) -> SentenceOutcome:
    """Have a sentence's picture or clip made, and made again whenever somebody changed the sentence meanwhile.

    Who shares `turns` with others joins the queue of the GPU in the order in which he came here.
    """
    while (outcome := await _make(wanted, tell, turns, priority)) is None:
        wanted = wanted.model_copy(update={"force": False})
    return outcome


async def _make(wanted: SentenceToMake, tell: Tell, turns: asyncio.Lock, priority: int) -> SentenceOutcome | None:
    """None: the sentence wants another one now."""
    title = f"{'picture' if wanted.category is ModelCategory.IMAGE else 'clip'} of {wanted.sentence_id}"
    async with turns:
        tell(Stage.PREPARING)
        policy = titled(CHECK, title)
        plan = await workflow.execute_activity_method(SentenceActivities.plan_sentence, wanted, **policy)
        nothing_there = plan.fits is None and plan.there is None
        rendering = _begin(plan, _render_policy(plan.channel, priority, title)) if nothing_there else None
    if plan.fits is not None:
        return _done(plan, plan.fits)
    rendered = None
    if rendering is not None:
        # For a GPU, perhaps for long. What the render does then is told live, as news.
        tell(Stage.WAITING)
        rendered = await rendering
    tell(Stage.KEEPING)
    policy = titled(USE_TAKES, title)
    used = await workflow.execute_activity_method(SentenceActivities.use_render, _render(plan, rendered), **policy)
    return None if used.file is None else _done(plan, used.file, rendered)


def _begin(plan: SentencePlan, policy: ActivityConfig) -> "workflow.ActivityHandle[RenderedGraph]":
    return workflow.start_activity_method(ComfyActivities.render_graph, plan.order, **policy)


def _render_policy(channel: str, priority: int, summary: str) -> ActivityConfig:
    """The line for a GPU goes by priority; among equals, channels take turns. The server takes names of 64 bytes."""
    place = Priority(priority_key=priority, fairness_key=channel[:64])
    return RENDER | ActivityConfig(priority=place, summary=summary)


def _render(plan: SentencePlan, rendered: RenderedGraph | None) -> SentenceRender:
    if rendered is None:
        assert plan.there is not None
        return SentenceRender(plan=plan, file=plan.there)
    return SentenceRender(plan=plan, file=RenderedFile.of(rendered.file, rendered.kind))


def _done(plan: SentencePlan, file: MediaRef, rendered: RenderedGraph | None = None) -> SentenceOutcome:
    return SentenceOutcome(
        sentence_id=plan.sentence_id,
        status="done",
        file=file,
        take=plan.order.take,
        reused=rendered is None,
        gpu_seconds=rendered.gpu_seconds if rendered else 0,
        notes=(*plan.notes, *(rendered.notes if rendered else ())),
    )
