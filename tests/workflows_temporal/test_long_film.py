"""Films and batches longer than one history."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.client import Client

from simulators.comfyui import ComfySimulator
from simulators.kie import KieSimulator
from studio.contracts.film import VideoStatus
from tests.short_histories import short_histories
from tests.story import Story
from tests.studio_at_work import StudioAtWork, make_studio
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.video import VideoWorkflow


@pytest.fixture
async def temporal(tmp_path: Path) -> AsyncIterator[Client]:
    """A server with short histories."""
    async with short_histories(tmp_path) as client:
        yield client


@pytest.fixture
async def studio(temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path) -> AsyncIterator[StudioAtWork]:
    """A studio on such a server."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(temporal, database_url, kie, tmp_path, stack, kling_slots=8)
        await at_work.open()
        yield at_work


@pytest.fixture
async def gpu_studio(
    temporal: Client, database_url: str, kie: KieSimulator, comfy: ComfySimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """One with a GPU."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(temporal, database_url, kie, tmp_path, stack, comfyui_url=comfy.urls["api_url"])
        await at_work.open(TaskQueue.STUDIO, TaskQueue.GPU)
        yield at_work


async def test_a_long_film_continues_as_new_and_makes_every_clip_once(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 20", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=24))
    progress = await studio.waiting(handle)
    assert progress.failed == [20]
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert result.summary == "Skipped 23 existing clips, generated 1 new clips"
    assert kie.ledger.accepted == 25
    assert kie.ledger.billed == 24
    runs = [run async for run in studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 2
    assert (await studio.waiting(handle, VideoStatus.VIDEO_READY)).done == 24


async def test_a_long_batch_continues_as_new_and_makes_every_picture_once(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story, comfy.config.prompt_seconds = Story(gpu_studio), 1
    names = [f"s{number:02d}" for number in range(1, 25)]
    await story.begin(*names)
    comfy.order(fail="the tensor is haunted", count=1)
    handle = await story.start_batch()
    result = await handle.result()
    assert result.summary == "23 of 24 done, 1 failed"
    assert sorted(one.sentence_id for one in result.outcomes) == names
    assert (comfy.ledger.accepted, comfy.ledger.duplicates) == (24, {})
    runs = [run async for run in gpu_studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 2
    assert (await handle.query(ProjectWorkflow.progress)).done == 23
