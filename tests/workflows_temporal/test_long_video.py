"""Videos and batches longer than one history."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.tickets import TicketActivities
from simulators.comfyui import ComfySimulator
from simulators.kie import KieSimulator
from studio.contracts.video import VideoStatus
from tests.short_histories import short_histories
from tests.story import Story
from tests.studio_at_work import Handle, StudioAtWork, eventually, make_studio
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.policies import TICKETS_IN_LINE
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.video import VideoWorkflow


@pytest.fixture(scope="module")
async def temporal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    """A server with short histories."""
    async with short_histories(tmp_path_factory.mktemp("temporal")) as client:
        yield client


@pytest.fixture
async def studio(temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path) -> AsyncIterator[StudioAtWork]:
    """A studio on such a server."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(temporal, database_url, kie, tmp_path, stack, kling_slots=8, gate_ask_again_seconds=0.2)
        await at_work.open()
        yield at_work
        await at_work.gate.terminate()


@pytest.fixture
async def gpu_studio(
    temporal: Client, database_url: str, kie: KieSimulator, comfy: ComfySimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """One with a GPU."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(temporal, database_url, kie, tmp_path, stack, comfyui_url=comfy.urls["api_url"])
        await at_work.open(TaskQueue.STUDIO, TaskQueue.GPU)
        yield at_work


async def told(handle: Handle) -> int:
    """How often the video has handed its present tickets in again."""
    pending = (await handle.describe()).raw_description.pending_activities
    name = TicketActivities.keep_in_line.__name__
    return next((activity.attempt for activity in pending if activity.activity_type.name == name), 0)


async def test_of_a_long_video_only_so_many_clips_wait_in_line_and_it_continues_as_new_and_makes_every_clip_once(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    clips = TICKETS_IN_LINE + 2
    kie.order(match=f"corridor {clips - 1}", fail="internal", count=1)
    await studio.gate.execute_update(GateWorkflow.set_limit, 0)
    handle = await studio.start(await studio.request(clips=clips))
    await eventually(lambda: told(handle), lambda times: times >= 3)
    assert (await studio.gate_state()).waiting == TICKETS_IN_LINE
    await studio.gate.execute_update(GateWorkflow.set_limit, 8)
    progress = await studio.waiting(handle)
    assert progress.failed == [clips - 1]
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert result.summary == f"Skipped {clips - 1} existing clips, generated 1 new clips"
    assert kie.ledger.accepted == clips + 1
    assert kie.ledger.billed == clips
    runs = [run async for run in studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 2
    assert (await studio.waiting(handle, VideoStatus.VIDEO_READY)).done == clips


async def test_a_long_batch_continues_as_new_and_makes_every_picture_once(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story, comfy.config.prompt_seconds = Story(gpu_studio), 1
    names = [f"s{number:02d}" for number in range(1, 25)]
    await story.begin(*names)
    comfy.order(fail="the tensor is haunted", count=1)
    handle = await story.start_batch()
    result = await handle.result()
    assert result.summary == f"{len(names) - 1} of {len(names)} done, 1 failed"
    assert sorted(one.sentence_id for one in result.outcomes) == names
    assert (comfy.ledger.accepted, comfy.ledger.duplicates) == (len(names), {})
    runs = [run async for run in gpu_studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 2
    assert (await handle.query(ProjectWorkflow.progress)).done == len(names) - 1
