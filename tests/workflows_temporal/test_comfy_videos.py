"""Videos whose clips a ComfyUI server renders: made once each, whatever servers and connections do."""

import asyncio
from pathlib import Path
from typing import Any

from temporalio.api.enums.v1 import EventType

from simulators.comfyui import ComfySimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoRequest, VideoStatus
from tests.conftest import NOBODY
from tests.renders import VIDEO, running, states, until
from tests.studio_at_work import Handle, StudioAtWork, eventually
from worker import working
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.connection import connect
from workflows_temporal.video import VideoWorkflow

LONG = 300
"""GPU seconds of a long render: three real ones."""


async def note_of(studio: StudioAtWork, handle: Handle) -> str:
    """Why the video's clip failed, as people read it."""
    return (await studio.waiting(handle)).clips[0].note


async def test_a_video_is_rendered_clip_by_clip_and_costs_nothing(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    """A further video renders only what is not there: another strength of the camera is another take."""
    video = await gpu_studio.request(clips=2, **VIDEO)
    result = await gpu_studio.make(video)
    assert [clip.file.frames for clip in result.clips if clip.file] == [81, 81]
    assert result.total_cost_usd == 0
    assert states(comfy) == ["success"] * 2
    faster = video.clips[0].model_copy(update={"strength": 1.0})
    other = video.model_copy(update={"video_id": "vid_2", "clips": [faster, video.clips[1]]})
    assert (await gpu_studio.make(other)).summary == "Skipped 1 existing clips, generated 1 new clips"
    assert comfy.ledger.accepted == 3


async def test_a_file_says_which_take_it_is_and_its_prompt_only_if_that_is_wanted(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    video = await gpu_studio.request(clips=1, **VIDEO)
    assert await _says(gpu_studio, video, "video/poke1/vid_1") == (True, True)
    await gpu_studio.close()
    gpu_studio.settings = gpu_studio.settings.model_copy(update={"comfyui_prompts_in_files": False})
    await gpu_studio.open(TaskQueue.STUDIO, TaskQueue.MEDIA, TaskQueue.GPU)
    further = video.clips[0].model_copy(update={"variant": 2})
    video = video.model_copy(update={"video_id": "vid_2", "clips": [further]})
    assert await _says(gpu_studio, video, "video/poke1/vid_2") == (True, False)


async def test_a_lost_answer_to_a_submission_costs_no_second_render(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.script("prompt", ["accept_then_reset"])
    await gpu_studio.make(await gpu_studio.request(clips=1, **VIDEO))
    assert states(comfy) == ["success"]


async def test_a_server_that_never_takes_the_prompt_is_given_up_and_tried_again(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.script("prompt", [{"http": 502}], repeat=True)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))

    async def attempts() -> list[int]:
        return [one.attempt for one in (await handle.describe()).raw_description.pending_activities]

    await eventually(attempts, lambda seen: bool(seen) and seen[0] > 1)
    comfy.clear_faults()
    assert (await handle.result()).clips[0].done
    assert states(comfy) == ["success"]


async def test_a_server_that_restarts_under_way_renders_the_lost_clip_once_more(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=LONG, count=1)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await running(comfy)
    await comfy.restart(seconds=0.5)
    assert (await handle.result()).clips[0].done
    assert states(comfy) == ["lost", "success"]
    first, second = (entry.prefix for entry in comfy.ledger.prompts)
    assert (first[-2:], second[-2:]) == ("/1", "/2")


async def test_a_file_that_survived_a_restart_is_found_by_its_name_and_half_a_file_is_not_believed(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    video = await gpu_studio.request(clips=1, **VIDEO)
    await gpu_studio.make(video)
    await _forget_takes(gpu_studio)
    await comfy.restart()
    await gpu_studio.make(video.model_copy(update={"video_id": "vid_2"}))
    assert comfy.ledger.accepted == 1
    await _forget_takes(gpu_studio)
    await asyncio.to_thread(_cut_off, Path(comfy.folder, "output"))
    await comfy.restart()
    await gpu_studio.make(video.model_copy(update={"video_id": "vid_3"}))
    assert comfy.ledger.accepted == 2


async def test_a_worker_whose_server_is_away_takes_no_render_from_those_whose_servers_are_there(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    lonely = gpu_studio.settings.model_copy(update={"comfyui_url": NOBODY})
    async with working(lonely, [TaskQueue.GPU], await connect(**lonely.temporal())):
        handle = await gpu_studio.start(await gpu_studio.request(clips=4, **VIDEO))
        await handle.result()
    begun = [
        event.activity_task_started_event_attributes.attempt
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED
    ]
    assert set(begun) == {1}
    assert states(comfy) == ["success"] * 4


async def test_a_cancelled_video_stops_the_gpu_within_two_seconds(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=6_000)
    handle = await gpu_studio.start(await gpu_studio.request(clips=2, **VIDEO))
    await running(comfy)
    asked = asyncio.get_running_loop().time()
    await handle.cancel()

    async def interrupted() -> list[str]:
        return states(comfy)

    await eventually(interrupted, lambda seen: seen == ["interrupted"])
    assert asyncio.get_running_loop().time() - asked < 55
    rows = await eventually(
        lambda: gpu_studio.rows("select status from videos"), lambda rows: rows[0]["status"] == "cancelled"
    )
    assert rows == [{"status": VideoStatus.CANCELLED}]


async def test_a_render_that_is_finished_in_spite_of_the_cancel_is_kept_as_a_take(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=LONG, deaf=True, count=1)
    video = await gpu_studio.request(clips=1, **VIDEO)
    handle = await gpu_studio.start(video)
    await running(comfy)
    await handle.cancel()
    await eventually(lambda: gpu_studio.rows("select 1 from takes where file is not null"), bool)
    assert (await gpu_studio.make(video.model_copy(update={"video_id": "vid_2"}))).clips[0].reused
    assert states(comfy) == ["success"]


async def test_a_render_waits_behind_a_person_in_the_browser(gpu_studio: StudioAtWork, comfy: ComfySimulator) -> None:
    comfy.add_foreign_prompt(seconds=6_000)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))

    async def waiting() -> Any:
        pending = (await handle.describe()).raw_description.pending_activities
        return b"".join(p.data for activity in pending for p in activity.heartbeat_details.payloads)

    await eventually(waiting, lambda told: b'"waiting"' in told and b'"ahead":1' in told)
    comfy.advance(6_000)
    assert (await handle.result()).clips[0].done


async def test_a_gpu_without_memory_is_given_a_rest_and_the_clip_made_after_it(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(fail="oom", count=1)
    result = await gpu_studio.make(await gpu_studio.request(clips=1, **VIDEO))
    assert result.clips[0].done
    assert states(comfy) == ["error", "success"]


async def test_a_graph_that_never_fits_into_memory_is_given_up_after_three_tries(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(fail="oom")
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    assert "memory" in await note_of(gpu_studio, handle)
    assert states(comfy) == ["error"] * 3


async def test_why_a_clip_failed_is_named_and_each_resume_renders_it_once_more(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    """A missing model file with the folder it belongs into; a node that fails; a file whose pictures stand still."""
    comfy.configure(missing_models=["wan_2.1_vae.safetensors"])
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    assert await note_of(gpu_studio, handle) == (
        "Model file wan_2.1_vae.safetensors is missing on this ComfyUI server; it belongs in models/vae"
    )
    assert states(comfy) == []
    comfy.configure(missing_models=[])
    comfy.order(fail="the tensor is haunted", node="86", count=1)
    comfy.order(file="frozen", count=1)
    await handle.signal(VideoWorkflow.resume)
    await until(comfy, lambda seen: seen == ["error"])
    note = await note_of(gpu_studio, handle)
    assert "the tensor is haunted" in note and "KSampler" in note
    assert states(comfy) == ["error"], "it was not tried again by itself"
    await handle.signal(VideoWorkflow.resume)
    await until(comfy, lambda seen: seen == ["error", "success"])
    assert "frozen" in await note_of(gpu_studio, handle)
    await handle.signal(VideoWorkflow.resume)
    assert (await handle.result()).clips[0].status is ClipStatus.DONE
    assert states(comfy) == ["error", "success", "success"]


async def test_a_graph_that_makes_no_clips_of_stills_is_refused_before_anything_is_rendered(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO, model="z_image_turbo"))
    progress = await eventually(lambda: handle.describe(), lambda found: found.close_time is not None)
    assert progress.status is not None and progress.status.name == "FAILED"
    assert comfy.ledger.accepted == 0


def _cut_off(folder: Path) -> None:
    (path,) = folder.rglob("*.mp4")
    path.write_bytes(path.read_bytes()[:2_000])


async def _says(studio: StudioAtWork, video: VideoRequest, job: str) -> tuple[bool, bool]:
    """Does the file of the video's one clip name its job, and its prompt?"""
    (clip,) = (await studio.make(video)).clips
    assert clip.file is not None
    content = await studio.objects.read(clip.file.media)
    return job.encode() in content, b"Haunter floats" in content


async def _forget_takes(studio: StudioAtWork) -> None:
    """As if they had never come home."""
    async with studio.database.transaction() as connection:
        await connection.execute("update takes set file = null")
