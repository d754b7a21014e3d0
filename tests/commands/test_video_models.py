"""Video files by ComfyUI: model, style, LoRAs; whatever cannot be is said with its path."""

import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from commands.models import built_video
from commands.session import Stores, stores_of
from commands.video_file import VideoFileInvalid
from local.stack import ROOT
from studio.contracts.model import StyleType, VisualStyle
from studio.contracts.render import Lora, LoraPair
from studio.contracts.video import Provider
from studio.edits import change_clip
from studio.graphs import add_graph, read_graph
from studio.media.stills import draw_still
from studio.settings import Settings
from studio.store.models import ModelStore
from studio.takes import parts_of
from tests.comfy_workflows.conftest import own_clip_graph

CINEMATIC = "Cinematic film still, shallow depth of field, soft directional light, muted colours, fine grain."
VideoFile = Callable[..., Path]


@pytest.fixture
async def stores(database_url: str, tmp_path: Path) -> AsyncIterator[Stores]:
    settings = Settings.model_validate(
        {"database_url": database_url, "object_store_url": (tmp_path / "objects").as_uri()}
    )
    async with stores_of(settings) as opened:
        yield opened


@pytest.fixture
def video_file(tmp_path: Path) -> VideoFile:
    """Writes video files of two clips, one still beside them."""
    draw_still("A harbour at dawn", seed=1, width=320, height=320).image.save(tmp_path / "a.png")

    def write(**changes: Any) -> Path:
        document = {
            "video": "f",
            "channel": "poke1",
            "provider": "comfyui",
            "width": 320,
            "height": 320,
            "clips": [
                {"still": "a.png", "prompt": "A boat leaves. Slow pan left."},
                {"still": "a.png", "prompt": {"action": "A bell rings", "camera": "Slow orbit"}},
            ],
        }
        path = tmp_path / "video.yaml"
        path.write_text(yaml.safe_dump(document | changes), encoding="utf-8")
        return path

    return write


async def refused(stores: Stores, path: Path) -> list[str]:
    with pytest.raises(VideoFileInvalid) as wrong:
        await built_video(stores, path)
    return [unplaced(line) for line in str(wrong.value).splitlines()]


def unplaced(problem: str) -> str:
    """A problem without its line; every one but those of the whole video has one."""
    return re.sub(r"^line \d+, ", "", problem)


async def test_a_video_that_names_nothing_is_made_by_the_default_graph(stores: Stores, video_file: VideoFile) -> None:
    request = (await built_video(stores, video_file())).request
    assert (request.provider, request.model, request.graph, request.loras, request.fast) == (
        Provider.COMFYUI,
        "wan22_i2v",
        None,
        (),
        False,
    )


async def test_an_added_graph_goes_with_the_video(stores: Stores, video_file: VideoFile) -> None:
    template = read_graph(json.dumps(own_clip_graph()).encode(), "mine", None)
    model = await add_graph(template, ModelStore(stores.database), stores.objects)
    request = (await built_video(stores, video_file(model="mine"))).request
    assert (request.model, request.graph) == ("mine", model.graph_file)


@pytest.mark.parametrize("style", ["Cinematic", "cinematic"])
async def test_a_style_is_said_before_each_prompt(stores: Stores, video_file: VideoFile, style: str) -> None:
    request = (await built_video(stores, video_file(style=style))).request
    assert [parts_of(request, clip).prompt for clip in request.clips] == [
        f"{CINEMATIC} A boat leaves. Slow pan left.",
        f"{CINEMATIC} A bell rings. Slow orbit.",
    ]


async def test_a_clip_that_is_changed_keeps_the_words_of_the_style(stores: Stores, video_file: VideoFile) -> None:
    request = (await built_video(stores, video_file(style="Cinematic"))).request
    changed = change_clip(request, 2, prompt="A gull lands.")
    assert parts_of(changed, changed.clips[1]).prompt == f"{CINEMATIC} A gull lands."


async def test_a_style_hides_no_prompt_that_begins_with_the_camera(stores: Stores, video_file: VideoFile) -> None:
    path = video_file(style="Cinematic", clips=[{"still": "a.png", "prompt": "Slow pan left. A boat leaves."}])
    assert (await refused(stores, path))[0].startswith("clip 1, prompt: the prompt begins with camera movement")


async def test_a_lora_style_brings_its_lora_where_the_graph_has_a_place(stores: Stores, video_file: VideoFile) -> None:
    ink = VisualStyle(id="ink", name="Ink", type=StyleType.LORA, prompt_prefix="Ink drawing.", lora_file="ink.st")
    await ModelStore(stores.database).put_style(ink)
    request = (await built_video(stores, video_file(style="Ink"))).request
    assert (request.model, request.loras) == ("hunyuan15_i2v", (Lora(name="ink.st"),))
    (words,) = await refused(stores, video_file(style="Ink", model="wan22_i2v"))
    assert words.startswith("style: wan22_i2v: a LoRA of this graph is a pair of files")


async def test_loras_and_fast_are_told_to_the_graph(stores: Stores, video_file: VideoFile) -> None:
    loras = [{"high": "h.safetensors", "low": "l.safetensors", "strength": 0.5}]
    request = (await built_video(stores, video_file(loras=loras, fast=True))).request
    assert request.loras == (LoraPair(high="h.safetensors", low="l.safetensors", strength=0.5),)
    assert request.fast


WRONG: list[tuple[dict[str, Any], list[str]]] = [
    ({"model": "nothing"}, ["model: nothing is no model"]),
    ({"style": "Baroque"}, ["style: Baroque is no style; there are Cinematic"]),
    ({"model": "wan22_i2v", "style": "pixel_art"}, ["style: Pixel art does not work with model wan22_i2v"]),
    ({"width": 4_000, "height": 4_000}, ["height: wan22_i2v: height 4000", "width: wan22_i2v: width 4000"]),
    ({"loras": [{"name": "one.safetensors"}]}, ["loras: wan22_i2v: a LoRA of this graph is a pair"]),
    ({"loras": [{"hihg": "a"}]}, ["lora 1, hihg: is unknown"]),
    ({"loras": [{"name": "a", "high": "b"}]}, ["lora 1: say name, or high and low"]),
    (
        {"provider": "kling", "style": "Cinematic", "fast": True, "loras": [{"name": "a"}]},
        ["fast: only a video", "loras: only a video", "style: only a video with provider comfyui"],
    ),
]


@pytest.mark.parametrize(("changes", "reasons"), WRONG, ids=[reasons[0][:24] for _, reasons in WRONG])
async def test_what_cannot_be_made_is_refused_with_its_path(
    stores: Stores, video_file: VideoFile, changes: dict[str, Any], reasons: list[str]
) -> None:
    told = await refused(stores, video_file(**changes))
    assert [words[: len(reason)] for words, reason in zip(told, reasons, strict=False)] == reasons


async def test_a_video_by_kling_asks_no_database(video_file: VideoFile, tmp_path: Path) -> None:
    nowhere = {"database_url": "postgresql://127.0.0.1:9/none", "object_store_url": tmp_path.as_uri()}
    async with stores_of(Settings.model_validate(nowhere)) as stores:
        video = await built_video(stores, video_file(provider="kling"))
    assert video.request.provider is Provider.KLING


async def test_the_example_can_be_made(stores: Stores) -> None:
    video = await built_video(stores, ROOT / "examples" / "harbour_comfyui.yaml")
    assert video.request.clips[0].strength == 0.4
