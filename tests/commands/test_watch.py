"""Watching a film: a line for every change, the newest preview in a file, and an end when the film ends."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from temporalio.client import Client

from commands.watch import Watch
from simulators.comfyui import ComfySimulator
from simulators.kie import KieSimulator
from studio.contracts.film import Provider, VideoStatus
from tests.commands.conftest import session_of
from tests.studio_at_work import Handle, StudioAtWork, eventually, make_studio
from workflows_temporal.addresses import TaskQueue

FILM: dict[str, Any] = {"provider": Provider.COMFYUI, "width": 256, "height": 256}


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


def watch(studio: StudioAtWork, handle: Handle, seen: Seen, preview: Path | None = None) -> "asyncio.Task[bool]":
    return asyncio.create_task(Watch(session_of(studio), handle, preview, seen.tell).run())


async def test_every_change_is_a_line_until_the_film_is_ready(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    comfy.order(seconds=300)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **FILM))
    assert await watch(gpu_studio, handle, seen)
    stages = await seen.stages()
    assert stages[-1] == "done"
    assert "rendering" in stages
    shares = [value["fraction"] for value in seen.values if value.get("stage") == "rendering"]
    assert shares == sorted(shares)
    assert any("clip 01  rendering" in line and "%" in line for line in seen.lines)
    assert "film  ready: Skipped 0 existing clips, generated 1 new clips" in seen.lines[-1]
    assert len(set(seen.lines)) == len(seen.lines)


async def test_a_film_that_is_cancelled_ends_the_watching_badly(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    comfy.order(seconds=30_000)
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **FILM))
    watching = watch(gpu_studio, handle, seen)
    await eventually(seen.stages, lambda stages: "rendering" in stages)
    await handle.cancel()
    assert not await watching
    assert "film  ended: " in seen.lines[-1]


async def test_a_film_that_waits_for_somebody_says_so_and_is_watched_on(
    gpu_studio: StudioAtWork, comfy: ComfySimulator, seen: Seen
) -> None:
    comfy.order(fail="oom")
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **FILM))
    watching = watch(gpu_studio, handle, seen)

    async def standings() -> list[str]:
        return [value["status"] for value in seen.values if value["kind"] == "film"]

    await eventually(standings, lambda said: VideoStatus.VIDEO_ERROR in said)
    assert not watching.done()
    assert any(value.get("stage") == "failed" and "memory" in value["note"] for value in seen.values)
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching


async def test_who_comes_late_is_told_how_it_stands(gpu_studio: StudioAtWork, seen: Seen) -> None:
    handle = await gpu_studio.start(await gpu_studio.request(clips=1, **FILM))
    await handle.result()
    assert await watch(gpu_studio, handle, seen)
    assert "ready" in seen.lines[-1]


async def test_the_newest_preview_is_a_whole_picture_in_the_file(
    temporal: Client, database_url: str, kie: KieSimulator, comfy: ComfySimulator, tmp_path: Path, seen: Seen
) -> None:
    comfy.order(seconds=300)
    async with AsyncExitStack() as stack:
        url = comfy.urls["api_url"]
        studio = make_studio(temporal, database_url, kie, tmp_path, stack, comfyui_url=url, comfyui_previews=True)
        await studio.open(TaskQueue.STUDIO, TaskQueue.MEDIA, TaskQueue.GPU)
        handle = await studio.start(await studio.request(clips=1, **FILM))
        target = tmp_path / "preview.jpg"
        assert await watch(studio, handle, seen, target)
        with Image.open(target) as picture:
            assert picture.format == "JPEG"
        assert [path.name for path in tmp_path.glob(".*.part")] == []  # noqa: ASYNC240
