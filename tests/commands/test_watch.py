"""Watching: a line for every change, the newest preview in a file, and an end when the job ends."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from temporalio.client import Client

from commands.jobs import AnyHandle, find_job, job_of
from commands.running import start_video
from commands.session import Session
from commands.watch import Watch
from simulators.comfyui import ComfySimulator
from simulators.kie import KieSimulator
from studio.contracts.model import ModelCategory
from studio.contracts.project import RenderChoices
from studio.contracts.video import Provider, VideoStatus
from tests.commands.conftest import session_of
from tests.story import Story
from tests.studio_at_work import StudioAtWork, eventually, make_studio
from workflows_temporal.addresses import TaskQueue

VIDEO: dict[str, Any] = {"provider": Provider.COMFYUI, "width": 256, "height": 256}


class Seen:
    """Somebody who reads what is told."""

    def __init__(self) -> None:
        self.values: list[dict[str, Any]] = []
        self.lines: list[str] = []

    def tell(self, value: dict[str, Any], words: str) -> None:
        self.values.append(value)
        self.lines.append(words)

    async def stages(self) -> list[str]:
        """Of the first clip."""
        return [value["stage"] for value in self.values if value.get("clip") == 1]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def gpu_session(gpu_studio: StudioAtWork) -> Session:
    return session_of(gpu_studio)


def watch(studio: StudioAtWork, handle: AnyHandle, seen: Seen) -> "asyncio.Task[bool]":
    session = session_of(studio)
    return asyncio.create_task(Watch(session, job_of(session, handle.id), None, seen.tell).run())


async def test_every_change_is_a_line_until_the_video_is_ready(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    comfy.order(seconds=300)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    assert await watch(gpu_studio, handle, seen)
    stages = await seen.stages()
    assert stages[-1] == "done"
    assert "rendering" in stages
    shares = [value["fraction"] for value in seen.values if value.get("stage") == "rendering"]
    assert shares == sorted(shares)
    assert any("clip 01  rendering" in line and "%" in line for line in seen.lines)
    assert "video  ready: Skipped 0 existing clips, generated 1 new clips" in seen.lines[-1]
    assert len(set(seen.lines)) == len(seen.lines)


async def test_a_video_that_is_cancelled_ends_the_watching_badly(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    comfy.order(seconds=30_000)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    watching = watch(gpu_studio, handle, seen)
    await eventually(seen.stages, lambda stages: "rendering" in stages)
    await handle.cancel()
    assert not await watching
    assert "video  ended: " in seen.lines[-1]


async def test_a_video_that_waits_for_somebody_says_so_and_is_watched_on(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    comfy.order(fail="oom")
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    watching = watch(gpu_studio, handle, seen)

    async def standings() -> list[str]:
        return [value["status"] for value in seen.values if value["kind"] == "video"]

    await eventually(standings, lambda said: VideoStatus.VIDEO_ERROR in said)
    assert not watching.done()
    assert any(value.get("stage") == "failed" and "memory" in value["note"] for value in seen.values)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_who_comes_late_is_told_how_it_stands(gpu_studio: StudioAtWork, seen: Seen) -> None:
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **VIDEO))
    await handle.result()
    assert await watch(gpu_studio, handle, seen)
    assert "ready" in seen.lines[-1]


async def test_a_video_that_is_replaced_is_watched_on(
    gpu_studio: StudioAtWork, gpu_session: Session, comfy: ComfySimulator, seen: Seen
) -> None:
    """`video edit` while it renders: another run takes its place."""
    comfy.order(seconds=30_000, count=1)
    video = await gpu_studio.request(clips=1, **VIDEO)
    handle = await gpu_studio.start(video)
    watching = watch(gpu_studio, handle, seen)
    await eventually(seen.stages, lambda stages: "rendering" in stages)
    changed = video.clips[0].model_copy(update={"prompt": "A door opens. Slow pan left."})
    await start_video(gpu_session, video.model_copy(update={"clips": [changed]}), replacing="another prompt")
    assert await watching
    assert [value["kind"] for value in seen.values if value["kind"] in ("replaced", "end")] == ["replaced", "end"]


async def test_the_video_and_the_project_of_one_name_are_watched_apart(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1")
    comfy.order(seconds=100)
    video = await gpu_studio.start(await gpu_studio.request("story", clips=1, **VIDEO))
    watching = watch(gpu_studio, video, seen)
    await story.image()
    assert await watching
    assert {value.get("sentence_id") for value in seen.values} == {None}


async def test_a_batch_is_watched_sentence_by_sentence_and_ends_badly_when_one_fails(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1", "s2")
    await story.write("s2", image=RenderChoices(model_id="nothing"))
    comfy.order(seconds=150)
    assert not await watch(gpu_studio, await story.start_batch(), seen)
    assert any(line.endswith("s1  done       100%") for line in seen.lines)
    assert seen.values[-1] == {"kind": "end", "done": False, "summary": "ended: 1 of 2 done, 1 failed"}


async def test_a_single_picture_is_watched(gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen) -> None:
    story = Story(gpu_studio)
    await story.begin("s1")
    comfy.order(seconds=150)
    assert await watch(gpu_studio, await story.start_image(), seen)
    assert "s1  ready: channels/poke1/projects/story/images/s1.png" in seen.lines[-1]


async def test_a_name_means_what_runs_of_it(gpu_studio: StudioAtWork, gpu_session: Session) -> None:
    story = Story(gpu_studio)
    await story.begin()
    await gpu_studio.make(await gpu_studio.request("story", clips=1, **VIDEO))
    assert (await find_job(gpu_session, "story")).handle.id == "video/poke1/story"
    await gpu_studio.close()  # so that the batch does not end
    await story.start_batch()
    for name in ("story", "poke1/story", "project/poke1/story/image"):
        assert (await find_job(gpu_session, name)).handle.id == "project/poke1/story/image"
    await story.start_batch(ModelCategory.VIDEO)
    with pytest.raises(SystemExit):
        await find_job(gpu_session, "poke1/story")


async def test_the_newest_preview_is_a_whole_picture_in_the_file(
    temporal: Client, database_url: str, kie: KieSimulator, comfy: ComfySimulator, tmp_path: Path, seen: Seen
) -> None:
    comfy.order(seconds=300)
    async with AsyncExitStack() as stack:
        url = comfy.urls["api_url"]
        studio = make_studio(temporal, database_url, kie, tmp_path, stack, comfyui_url=url, comfyui_previews=True)
        await studio.open(TaskQueue.STUDIO, TaskQueue.MEDIA, TaskQueue.GPU)
        handle = await studio.start(await studio.request(clips=1, **VIDEO))
        target = tmp_path / "preview.jpg"
        session = session_of(studio)
        looking = Watch(session, job_of(session, handle.id), target, seen.tell)
        assert await looking.run()
        assert looking.pictures > 0
        with Image.open(target) as picture:
            assert picture.format == "JPEG"
        assert [path.name for path in tmp_path.glob(".*.part")] == []  # noqa: ASYNC240
