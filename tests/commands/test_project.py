"""`starter.py project …` as people and scripts call it, on a studio with one simulated ComfyUI server."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack import ROOT
from simulators.comfyui import ComfySimulator
from studio.contracts.clip import CameraMove
from studio.contracts.video import Provider
from tests.commands.starter import Starter, process_with, starter_with
from tests.renders import running, states
from tests.story import Story
from tests.studio_at_work import StudioAtWork


@pytest.fixture
def settings(gpu_studio: StudioAtWork) -> dict[str, str]:
    """How the studio of this process is reached."""
    settings = gpu_studio.settings
    return {
        "TEMPORAL_ADDRESS": settings.temporal_address,
        "TEMPORAL_NAMESPACE": settings.temporal_namespace,
        "DATABASE_URL": str(settings.database_url),
        "OBJECT_STORE_URL": str(settings.object_store_url),
        "COLUMNS": "160",
    }


@pytest.fixture
def starter(settings: dict[str, str], tmp_path: Path) -> Starter:
    """`starter.py …`, talking to the studio of this process."""
    return starter_with(settings, tmp_path / "data")


@pytest.fixture
def starter_process(settings: dict[str, str], tmp_path: Path) -> Starter:
    """`starter.py …`, a process."""
    return process_with(settings, tmp_path / "no-stack")


@pytest.fixture
def story_file(tmp_path: Path) -> Path:
    """The example, small, in the channel of other tests."""
    document = yaml.safe_load((ROOT / "examples" / "story.yaml").read_text(encoding="utf-8"))
    document |= {"channel": "poke1", "image": {"width": 256, "height": 256}}
    for sentence in document["sentences"]:
        if "still" in sentence:
            sentence["still"] = str(ROOT / "examples" / sentence["still"])
    return _written(tmp_path, document)


def _written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "story.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return path


async def test_a_project_is_put_made_shown_and_put_again(
    starter: Starter, starter_process: Starter, story_file: Path, comfy: ComfySimulator
) -> None:
    put = await starter_process("project", "put", str(story_file))
    assert (put.code, put.stdout) == (0, "poke1/story: 3 sentences; to make: 2 pictures, 3 clips\n")
    made = await starter("project", "make", "story", "image", "--wait")
    assert made.code == 0 and "project  ended: 2 of 2 done, 0 failed" in made.stdout
    document = yaml.safe_load(await asyncio.to_thread(story_file.read_text))
    document["sentences"][0]["text"] = "A city wakes."
    del document["sentences"][1]
    put = await starter("project", "put", str(_written(story_file.parent, document)), "--json")
    assert (put.json["removed"], put.json["dirty_images"]) == (["fisherman"], ["dawn"])
    shown = (await starter("project", "show", "poke1/story")).stdout
    assert "stale images/dawn.png" in shown
    assert "fine  brought/boats_" in shown
    assert "missing" in shown


async def test_what_cannot_be_made_is_said_before_anything_is_written(
    starter: Starter, story_file: Path, gpu_studio: StudioAtWork
) -> None:
    document = yaml.safe_load(await asyncio.to_thread(story_file.read_text))
    document["sentences"][0]["still"] = "nothing.png"
    put = await starter("project", "put", str(_written(story_file.parent, document)))
    assert put.code == 2
    assert "sentence 1, still: nothing.png: no such file" in put.stderr
    assert await gpu_studio.rows("select 1 from projects") == []


async def test_a_batch_is_not_started_twice_and_is_called_off(
    starter: Starter, gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1", "s2")
    comfy.order(seconds=30_000)
    started = await starter("project", "make", "story", "image", "--sentence", "s1", "--json")
    assert started.json["workflow_id"] == "project/poke1/story/image"
    await running(comfy)
    again = await starter("project", "make", "story", "image")
    assert again.code == 2 and "`project cancel poke1/story image` first" in again.stderr
    shown = (await starter("project", "show", "story", "--json")).json
    assert [one["image_stage"] for one in shown["sentences"]] == ["waiting", None]
    assert (await starter("project", "cancel", "story", "--json")).json == {"cancelled": ["project/poke1/story/image"]}
    assert states(comfy) == ["interrupted"]


async def test_one_sentence_is_stopped_whoever_makes_it(
    starter: Starter, gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1", "s2")
    comfy.order(seconds=30_000, count=2)
    batch = await story.start_batch()
    await running(comfy)
    stopped = await starter("project", "stop", "story", "s1", "--json")
    assert stopped.json == {"sentence_id": "s1", "stopped": ["project/poke1/story/image"]}
    await running(comfy)
    await starter("project", "stop", "story", "s2")
    assert (await batch.result()).failed == 2
    assert states(comfy) == ["interrupted"] * 2
    assert (await starter("project", "stop", "story", "s2")).code == 2


async def test_one_clip_of_a_video_is_stopped_unless_it_is_paid(
    starter: Starter, gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    comfy.order(seconds=30_000, count=1)
    video = await gpu_studio.request(clips=1, provider=Provider.COMFYUI, width=256, height=256)
    handle = await gpu_studio.start(video)
    await running(comfy)
    stopped = await starter("video", "stop", "vid_1", "1", "--json")
    assert (stopped.json["status"], stopped.json["note"][:7]) == ("failed", "stopped")
    await handle.terminate()
    await gpu_studio.start(await gpu_studio.request("vid_2", clips=1))
    paid = await starter("video", "stop", "poke1/vid_2", "1")
    assert paid.code == 1 and "an order at Kling cannot be stopped, it is paid" in paid.stderr


async def test_a_batch_that_is_waited_for_ends_badly_when_a_sentence_fails(
    starter: Starter, gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    story = Story(gpu_studio)
    await story.begin("s1")
    await story.write(camera_movement=CameraMove.STATIC)
    made = await starter("project", "make", "story", "video", "--wait", "--json")
    assert (made.code, made.json["summary"]) == (1, "0 of 1 done, 1 failed")


async def test_a_style_is_added_used_and_retired(starter: Starter, story_file: Path, comfy: ComfySimulator) -> None:
    assert (await starter("comfy", "style", "add", "ink", "--prefix", "Black ink.")).code == 0
    document = yaml.safe_load(await asyncio.to_thread(story_file.read_text))
    document["image"]["style"] = "ink"
    path = _written(story_file.parent, document)
    assert (await starter("project", "put", str(path))).code == 0
    assert (await starter("comfy", "style", "retire", "ink")).code == 0
    refused = await starter("project", "put", str(path))
    assert refused.code == 2 and "image: style: ink is not offered any more" in refused.stderr
    wrong = await starter("comfy", "style", "add", "none")
    assert wrong.code == 2 and "a prompt style needs prompt_prefix" in wrong.stderr
