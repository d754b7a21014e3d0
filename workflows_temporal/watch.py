"""Waiting for an order at Kling: looks that go on by themselves, and callbacks that bring the next one forward."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import is_cancelled_exception

from activities.kling import KlingActivities
from studio.contracts.clip import ClipJob, RenderedClip
from studio.contracts.take import LateOrder
from workflows_temporal.hints import Hints
from workflows_temporal.late import look_after
from workflows_temporal.policies import WAKES, kling_await, titled
from workflows_temporal.stops import undisturbed


async def watch(job: ClipJob, seconds: int, label: str, hints: Hints) -> RenderedClip:
    """Wait until Kling is done. A callback is a hint: it costs one look, and only so many are listened to.

    When the video is cancelled meanwhile, its order is looked after without it: what it gives is paid for.
    """
    try:
        return await _watch(job, seconds, label, hints)
    except BaseException as error:
        if is_cancelled_exception(error):
            await undisturbed(look_after_job(job))
        raise


async def look_after_job(job: ClipJob) -> None:
    """Have a video's order looked after without it, unless another video waits for the same one."""
    if not job.shared:
        await look_after(LateOrder(submission_id=job.submission_id, task_id=job.task_id, receipt=True))


async def _watch(job: ClipJob, seconds: int, label: str, hints: Hints) -> RenderedClip:
    deadline = workflow.time() + seconds
    for wakes_left in range(WAKES, -1, -1):
        left = kling_await(timedelta(seconds=max(deadline - workflow.time(), 0)))
        looking = workflow.start_activity_method(KlingActivities.await_clip, job, **titled(left, label))
        try:
            while not looking.done() and wakes_left:
                await workflow.wait_condition(lambda: looking.done() or hints.about(job.clip.number))  # noqa: B023
                if looking.done() or await _is_ours(job, hints):
                    break
        except asyncio.CancelledError:
            looking.cancel()
            raise
        if looking.done() or not wakes_left:
            return await looking
        looking.cancel()
        await workflow.wait([looking])
    raise AssertionError("the last look is waited for")


async def _is_ours(job: ClipJob, hints: Hints) -> bool:
    """Take the hint. One that is about an older order of this clip, written off since, is looked after elsewhere."""
    callback = hints.take(job.clip.number)
    if callback is None or callback.submission_id == job.submission_id:
        return True
    if hints.looks_elsewhere(callback.submission_id):
        await look_after(LateOrder(submission_id=callback.submission_id, task_id=callback.task_id))
    return False
