"""One clip or sentence is stopped from what one sees of it: the GPU stops, the others go on."""

import pytest
from temporalio.client import WorkflowFailureError

from simulators.comfyui import ComfySimulator
from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.progress import Stage
from studio.contracts.sentence import ProjectProgress
from studio.contracts.video import VideoProgress
from tests.renders import VIDEO, running, states
from tests.story import Story
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.video import VideoWorkflow

FOR_EVER = 30_000
"""GPU seconds that nobody waits for."""


async def clip_on_gpu(studio: StudioAtWork, comfy: ComfySimulator, *, only: str = "") -> int:
    """The clip that the server renders, once it renders one: which comes first nobody knows."""

    async def look() -> list[int]:
        takes = {row["take"]: int(row["number"]) for row in await studio.rows("select take, number from clip_takes")}
        return [takes[entry.prefix.split("/")[1]] for entry in comfy.ledger.prompts if entry.state == "running"]

    (number,) = await eventually(look, lambda seen: bool(seen) and only in ("", str(seen[0])))
    return number


async def test_a_stopped_clip_frees_the_gpu_within_two_seconds_and_the_video_waits(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(match="corridor 01", seconds=FOR_EVER, count=1)
    handle = await gpu_studio.start(await gpu_studio.request(clips=3, **VIDEO))
    await clip_on_gpu(gpu_studio, comfy, only="1")
    await handle.signal("stop", 1)  # plain JSON
    waiting = await gpu_studio.waiting(handle)
    assert [clip.status for clip in waiting.clips] == [ClipStatus.FAILED, ClipStatus.DONE, ClipStatus.DONE]
    assert waiting.message.splitlines() == [
        "1 of 3 clips are missing.",
        "Clip 1: stopped; `video resume` makes it, `video edit` changes it first",
    ]
    (seconds,) = [one.seconds_to_interrupt for one in comfy.ledger.prompts if one.state == "interrupted"]
    assert seconds is not None and seconds < 2
    await handle.signal(VideoWorkflow.resume)
    assert (await handle.result()).summary == "Skipped 2 existing clips, generated 1 new clips"


async def test_a_clip_that_waits_for_a_gpu_is_stopped_without_one(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    """Stopping again, or what is not made at all, changes nothing; and the video can be cancelled after it."""
    comfy.order(seconds=FOR_EVER)
    handle = await gpu_studio.start(await gpu_studio.request(clips=2, **VIDEO))
    first = await clip_on_gpu(gpu_studio, comfy)
    waits = 3 - first
    for number in (waits, waits, 7):
        await handle.signal(VideoWorkflow.stop, number)

    def stopped(progress: VideoProgress) -> bool:
        return progress.clips[waits - 1].status is ClipStatus.FAILED

    await eventually(lambda: handle.query(VideoWorkflow.progress), stopped)
    await handle.signal(VideoWorkflow.stop, first)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert states(comfy) == ["interrupted"]


async def test_a_render_that_is_finished_in_spite_of_the_stop_is_used(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=150, deaf=True, count=1)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await running(comfy)
    await handle.signal(VideoWorkflow.stop, 1)
    await gpu_studio.waiting(handle)
    await handle.signal(VideoWorkflow.resume)
    assert (await handle.result()).clips[0].done
    assert states(comfy) == ["success"]


async def test_an_order_at_kling_is_not_stopped_it_is_paid(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(300, 300))
    handle = await studio.start(await studio.request(clips=1))

    def rendering(progress: VideoProgress) -> bool:
        return progress.clips[0].status is ClipStatus.RENDERING

    await eventually(lambda: handle.query(VideoWorkflow.progress), rendering)
    await handle.signal(VideoWorkflow.stop, 1)
    assert (await handle.result()).clips[0].done


async def test_a_stopped_sentence_stays_as_it_was_and_the_batch_goes_on(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1", "s2", "s3")
    comfy.order(seconds=FOR_EVER, count=1)
    handle = await story.start_batch()
    await running(comfy)

    def queued(progress: ProjectProgress) -> bool:
        return [one.stage for one in progress.sentences] == [Stage.WAITING] * 3

    await eventually(lambda: handle.query(ProjectWorkflow.progress), queued)
    await handle.signal("stop", "s2")
    await handle.signal("stop", "s1")
    result = await handle.result()
    failed = {one.sentence_id: (one.error_type, one.error) for one in result.outcomes if one.status == "failed"}
    assert failed == {"s1": ("Stopped", "stopped"), "s2": ("Stopped", "stopped")}
    assert states(comfy) == ["interrupted", "success"]
    assert (await story.flags("s1"), await story.flags("s3")) == ((True, True), (False, True))
    assert (await story.batch()).done == 2
