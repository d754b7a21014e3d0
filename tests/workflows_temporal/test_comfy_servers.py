"""Several ComfyUI servers, servers that lose, hang and hold up renders, and who hears of a cancel."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from temporalio.common import WorkflowIDConflictPolicy

from simulators.comfyui import ComfyConfig, ComfySimulator
from studio.providers.comfyui import open_comfyui
from studio.store.gpu_servers import GpuServerStore
from tests.conftest import SPEED
from tests.renders import VIDEO, states, until
from tests.story import Story
from tests.studio_at_work import Handle, StudioAtWork, eventually
from worker import working
from workflows_temporal.addresses import TaskQueue, video_workflow_id
from workflows_temporal.connection import connect
from workflows_temporal.video import VideoWorkflow

LONG, ENDLESS = 300, 60_000
"""GPU seconds of a render that takes three real ones, and of one that takes ten minutes."""


@pytest.fixture
async def other() -> AsyncIterator[ComfySimulator]:
    """A second ComfyUI server."""
    async with ComfySimulator(ComfyConfig(speed=SPEED, files="placeholder", prompt_seconds=20)) as simulator:
        yield simulator


@asynccontextmanager
async def gpu_worker(studio: StudioAtWork, url: str, **changes: Any) -> AsyncIterator[None]:
    """One more worker, of the server at `url`."""
    settings = studio.settings.model_copy(update={"comfyui_url": url} | changes)
    async with working(settings, [TaskQueue.GPU], await connect(**settings.temporal())):
        await eventually(GpuServerStore(studio.database).there, lambda seen: any(url in one.name for one in seen))
        yield


async def reopen(studio: StudioAtWork, **changes: Any) -> None:
    """Go on with other settings."""
    await studio.close()
    studio.settings = studio.settings.model_copy(update=changes)
    await studio.open(TaskQueue.STUDIO, TaskQueue.MEDIA, TaskQueue.GPU)


async def heartbeat_of(handle: Handle) -> bytes:
    pending = (await handle.describe()).raw_description.pending_activities
    return b"".join(p.data for activity in pending for p in activity.heartbeat_details.payloads)


# ── several servers ──────────────────────────────────────────────────────


async def test_what_one_server_lacks_is_made_by_another(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, other: ComfySimulator
) -> None:
    other.configure(missing_models=["wan_2.1_vae.safetensors"])
    async with gpu_worker(gpu_studio, other.urls["api_url"]):
        result = await gpu_studio.make(await gpu_studio.request(clips=3, **VIDEO))
    assert all(clip.done for clip in result.clips)
    assert (states(comfy), states(other)) == (["success"] * 3, [])


async def test_what_every_server_lacks_is_told_after_each_was_asked(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, other: ComfySimulator
) -> None:
    for server in (comfy, other):
        server.configure(missing_models=["wan_2.1_vae.safetensors"])
    async with gpu_worker(gpu_studio, other.urls["api_url"]):
        handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
        progress = await gpu_studio.waiting(handle)
    assert progress.clips[0].note == (
        "Model file wan_2.1_vae.safetensors is missing on this ComfyUI server; it belongs in models/vae"
    )


async def test_a_render_behind_others_prompts_goes_to_a_server_that_is_free(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, other: ComfySimulator
) -> None:
    comfy.add_foreign_prompt(seconds=ENDLESS)
    await reopen(gpu_studio, comfyui_longest_wait_minutes=0.01)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await eventually(lambda: heartbeat_of(handle), lambda told: b'"waiting"' in told)
    async with gpu_worker(gpu_studio, other.urls["api_url"]):
        assert (await handle.result()).clips[0].done
    assert states(other) == ["success"]


async def test_a_render_keeps_its_place_in_line_while_no_other_server_is_free(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.add_foreign_prompt(seconds=LONG)
    await reopen(gpu_studio, comfyui_longest_wait_minutes=0.001)
    assert (await gpu_studio.make(await gpu_studio.request(clips=1, **VIDEO))).clips[0].done
    assert states(comfy) == ["success"]


async def test_a_worker_whose_address_leads_to_no_comfyui_takes_no_render(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    async with gpu_worker(gpu_studio, gpu_studio.kie.api_url):
        result = await gpu_studio.make(await gpu_studio.request(clips=3, **VIDEO))
        (wrong,) = [one for one in await GpuServerStore(gpu_studio.database).there() if one.away]
    assert all(clip.done for clip in result.clips)
    assert "404" in wrong.away


# ── the GPU is not kept waiting ──────────────────────────────────────────


async def test_the_next_render_begins_while_the_last_ones_file_is_still_on_its_way(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    # Before its prompt is sent the server is asked for the file under this name, and under others.
    comfy.script("view", [{"slow_body": 4}], match="_00001_.mp4", nth=2)
    comfy.order(seconds=LONG, nth=2)
    handle = await gpu_studio.start(await gpu_studio.request(clips=2, **VIDEO))
    assert await until(comfy, lambda seen: len(seen) == 2) == ["success", "running"]
    assert (await handle.query(VideoWorkflow.progress)).done == 0
    assert all(clip.done for clip in (await handle.result()).clips)


# ── servers that misbehave ───────────────────────────────────────────────


async def test_a_render_that_brings_its_server_down_again_and_again_is_given_up(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=ENDLESS)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    for losses in range(3):
        await until(comfy, lambda seen: seen[losses:] == ["running"])  # noqa: B023
        await comfy.restart()
    assert "lost the render 3 times" in (await gpu_studio.waiting(handle)).clips[0].note
    assert states(comfy) == ["lost"] * 3


async def test_a_render_that_does_not_move_is_interrupted_and_tried_again(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    await reopen(gpu_studio, comfyui_longest_silence_minutes=0.02)
    comfy.order(seconds=ENDLESS, node="86", stuck=True, count=1)
    assert (await gpu_studio.make(await gpu_studio.request(clips=1, **VIDEO))).clips[0].done
    assert states(comfy) == ["interrupted", "success"]


async def test_a_render_nobody_hears_of_is_not_taken_for_one_that_stands_still(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    await reopen(gpu_studio, comfyui_longest_silence_minutes=0.02)
    comfy.order(seconds=LONG, count=1)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await eventually(lambda: heartbeat_of(handle), lambda told: re.search(rb'"fraction":0\.[1-9]', told) is not None)
    async with httpx.AsyncClient() as admin:
        await admin.post(f"{comfy.admin_url}/__sim/drop_sockets")
    assert (await handle.result()).clips[0].done
    assert states(comfy) == ["success"]


async def test_a_render_that_stands_still_and_hears_nothing_goes_to_another_server(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, other: ComfySimulator
) -> None:
    await reopen(gpu_studio, comfyui_longest_silence_minutes=0.02)
    comfy.order(seconds=ENDLESS, node="86", stuck=True, deaf=True)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await until(comfy, lambda seen: seen == ["running"])
    async with gpu_worker(gpu_studio, other.urls["api_url"]):
        assert (await handle.result()).clips[0].done
    assert (states(comfy), states(other)) == (["running"], ["success"])


async def test_a_person_who_removes_a_render_is_believed_also_on_a_server_that_was_away_before(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.add_foreign_prompt(seconds=ENDLESS)
    comfy.script("job", ["reset_before"])
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await eventually(lambda: heartbeat_of(handle), lambda told: b'"ahead":1' in told)
    async with open_comfyui(url=comfy.urls["api_url"]) as browser:
        await browser.withdraw((await browser.queue()).pending[0].prompt_id)
    assert "removed" in (await gpu_studio.waiting(handle)).clips[0].note


# ── who hears of a cancel ────────────────────────────────────────────────


async def test_a_clip_whose_video_is_cancelled_while_its_file_comes_home_is_kept(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=LONG, count=1)
    video = await gpu_studio.request(clips=1, **VIDEO)
    handle = await gpu_studio.start(video)
    await until(comfy, lambda seen: "running" in seen)
    comfy.script("view", [{"slow_body": 2}])  # looks for a finished file are over: this is the download
    await eventually(lambda: heartbeat_of(handle), lambda told: b'"keeping"' in told)
    await handle.cancel()
    await eventually(lambda: gpu_studio.rows("select 1 from takes where file is not null"), bool)
    assert (await gpu_studio.make(video.model_copy(update={"video_id": "vid_2"}))).clips[0].reused


async def test_a_sentences_picture_that_is_finished_in_spite_of_the_cancel_is_kept(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=LONG, deaf=True, count=1)
    story = Story(gpu_studio)
    await story.begin("s1")
    handle = await story.start_image()
    await until(comfy, lambda seen: "running" in seen)
    await handle.cancel()
    await eventually(handle.describe, lambda seen: seen.close_time is not None)
    assert (await story.image()).reused
    assert states(comfy) == ["success"]


async def test_a_video_that_is_terminated_stops_its_render(gpu_studio: StudioAtWork, comfy: ComfySimulator) -> None:
    comfy.order(seconds=ENDLESS)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await until(comfy, lambda seen: "running" in seen)
    await handle.terminate()
    await until(comfy, lambda seen: seen == ["interrupted"])


async def test_a_video_that_is_replaced_keeps_its_render(gpu_studio: StudioAtWork, comfy: ComfySimulator) -> None:
    comfy.order(seconds=LONG, count=1)
    video = await gpu_studio.request(clips=1, **VIDEO)
    await gpu_studio.start(video)
    await until(comfy, lambda seen: "running" in seen)
    handle = await gpu_studio.temporal.start_workflow(
        VideoWorkflow.run,
        video,
        id=video_workflow_id(video.channel, video.video_id),
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )
    assert (await handle.result()).clips[0].done
    assert states(comfy) == ["success"]
