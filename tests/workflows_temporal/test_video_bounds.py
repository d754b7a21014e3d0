"""Videos at their bounds: a request that is too large is refused first, one that is just not goes all the way."""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from simulators.kie import KieSimulator
from studio.contracts.size import json_bytes
from studio.contracts.video import LARGEST_REQUEST, VideoRequest, VideoStatus
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.video import VideoWorkflow

CLIPS = 500
NEW = 30
"""Clips that are ordered; the others have a take already."""
SIGNALS = 10_000
IN_ONE_FLOOD = 1_000
"""The SDK gives a workflow task two seconds, in which it handles about 10,000 signals on a quiet machine."""


def longer(request: VideoRequest, characters: int) -> VideoRequest:
    """The same with longer prompts, each another one."""
    prompts = [f"{'幽靈飄過走廊' * 500}"[:characters] + f" {clip.number:03d}" for clip in request.clips]
    clips = [clip.model_copy(update={"prompt": p}) for clip, p in zip(request.clips, prompts, strict=True)]
    return request.model_copy(update={"clips": clips})


async def long_video(studio: StudioAtWork, take: str, characters: int) -> VideoRequest:
    """500 clips from one still; but for the first ones they use the take there is."""
    request = await studio.request("long", clips=1)
    clip = request.clips[0]
    clips = [
        clip.model_copy(update={"number": number, "take": take if number > NEW else None})
        for number in range(1, CLIPS + 1)
    ]
    return longer(request.model_copy(update={"clips": clips}), characters)


async def activities(handle: Handle) -> int:
    """How many activities the run has scheduled."""
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    return sum([event.event_type == scheduled async for event in handle.fetch_history_events()])


async def test_a_request_that_is_too_large_ends_before_its_first_step_whoever_starts_it(studio: StudioAtWork) -> None:
    request = await long_video(studio, "0" * 64, 1_270)
    assert LARGEST_REQUEST < json_bytes(request) < 2_097_152
    handle = await studio.start(request)
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    cause = failure.value.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("InvalidRequest", True)
    assert f"has {json_bytes(request):,} bytes as JSON" in cause.message
    assert await activities(handle) == 1  # its end is written down
    assert [row["status"] for row in await studio.rows("select status from videos")] == ["refused"]


@pytest.mark.slow
async def test_500_clips_at_the_bound_continue_as_new_in_the_middle_and_become_a_video(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    short = await studio.make(await studio.request("short", clips=1))
    take = short.clips[0].take
    assert take is not None
    request = await long_video(studio, take, 1_110)
    assert LARGEST_REQUEST - 100_000 < json_bytes(request) <= LARGEST_REQUEST
    kie.order(match="020", fail="internal", count=1)
    handle = await studio.start(request)
    progress = await studio.waiting(handle)
    assert (progress.done, progress.failed) == (CLIPS - 1, [20])
    await handle.signal(VideoWorkflow.resume)
    result = await asyncio.wait_for(handle.result(), 240)
    runs = [run async for run in studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 2
    assert kie.ledger.accepted == 1 + NEW + 1
    assert [clip.number for clip in result.clips] == list(range(1, CLIPS + 1))
    assert [clip.reused for clip in result.clips].count(False) == NEW
    assert (await studio.waiting(handle, VideoStatus.VIDEO_READY)).done == CLIPS


@pytest.mark.slow
async def test_a_video_that_waits_hears_ten_thousand_signals_and_then_its_resume(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.order(match="corridor 01", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    turns = asyncio.Semaphore(50)

    async def send() -> None:
        async with turns:
            await handle.signal(VideoWorkflow.order_decided, 500)

    async def is_idle() -> bool:
        return not (await handle.describe()).raw_description.HasField("pending_workflow_task")

    for _ in range(0, SIGNALS, IN_ONE_FLOOD):
        await asyncio.gather(*(send() for _ in range(IN_ONE_FLOOD)))
        # While signals go on coming the server lets no run continue as new; a run takes 10,000 of them.
        await eventually(is_idle, bool)
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.accepted == 2

    async def runs() -> int:
        return len([run async for run in studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")])

    await eventually(runs, lambda count: count >= 3)
