"""What a graph cannot do for a video is said before anything is spent, with the field's path."""

import json
from typing import Any

import pytest

from comfy_workflows.graph import load_graph
from studio.contracts.base import MediaRef
from studio.contracts.clip import PROMPT_LIMIT, CameraMove, ClipRequest, MotionPrompt
from studio.contracts.render import Lora, LoraPair
from studio.contracts.rendering import ClipToRender, GraphToRender
from studio.contracts.video import Provider, VideoRequest
from studio.graphs import read_graph
from studio.intake import complaints
from studio.renders import order_of_clip, unable
from studio.takes import parts_of
from tests.comfy_workflows.conftest import own_clip_graph

PAIR = LoraPair(high="h.safetensors", low="l.safetensors")


def video(*seconds: int, **given: Any) -> VideoRequest:
    still = MediaRef(key="channels/poke1/videos/v/stills/a.png", sha256="0" * 64, mime="image/png")
    clips = [
        ClipRequest.model_validate({"number": n, "still": still, "prompt": "A cat wakes.", "seconds": length})
        for n, length in enumerate(seconds or (5,), start=1)
    ]
    return VideoRequest(channel="poke1", video_id="v", clips=clips, provider=Provider.COMFYUI, **given)


def ordered(request: VideoRequest) -> GraphToRender:
    """The video's first clip as the graph is told."""
    return order_of_clip(ClipToRender.of(request, request.clips[0], "0" * 64))


@pytest.mark.parametrize("graph", ["wan22_i2v", "wan22_fun_camera", "hunyuan15_i2v"])
def test_the_usual_video_can_be_made_by_every_graph_of_clips(graph: str) -> None:
    assert list(unable(video(5, 5, model=graph, width=1280, height=720), load_graph(graph))) == []


def test_everything_is_said_at_once_and_once() -> None:
    told = list(complaints(video(5, 10, 10, model="wan22_i2v", width=4096, height=128, loras=(Lora(name="one"),))))
    assert [words.partition(":")[0] for words in told] == ["loras", "width", "height"]
    assert told[1] == "width: wan22_i2v: width 4096 is not between 256 and 1920"
    assert "is a pair of files" in told[0]


def test_a_length_is_refused_at_the_clip_that_has_it() -> None:
    graph = own_clip_graph()
    schema = {"WanImageToVideo": {"input": {"required": {"length": ["INT", {"min": 1, "max": 100, "step": 4}]}}}}
    template = read_graph(json.dumps(graph).encode(), "mine", schema)
    assert list(unable(video(5, 10, 5, 10, model="mine"), template)) == [
        "clips.1.seconds: mine: 10.1 s are too long for this graph, at most 6 s (97 frames, 16 per second): "
        "make it shorter, or take a model that makes longer clips"
    ]


def test_loras_of_the_right_sort_are_taken() -> None:
    assert list(complaints(video(model="wan22_i2v", loras=(PAIR,), fast=True))) == []
    told = list(complaints(video(model="hunyuan15_i2v", width=1280, height=720, loras=(PAIR,))))
    assert [words.partition(":")[0] for words in told] == ["loras"]


def test_a_graph_that_needs_two_pictures_makes_no_clip_of_one_still() -> None:
    graph = own_clip_graph()
    graph["93"]["_meta"] = {"title": "in:prompt"}
    graph["200"] = {"class_type": "LoadImage", "inputs": {"image": "b.png"}, "_meta": {"title": "in:image2"}}
    graph["98"]["inputs"]["end_image"] = ["200", 0]
    template = read_graph(json.dumps(graph).encode(), "mine", None)
    assert list(unable(video(model="mine"), template)) == ["model: mine takes 2 pictures, not 1"]


def test_an_own_graph_lies_among_the_graphs_and_nowhere_else() -> None:
    stranger = MediaRef(key="channels/poke2/x.json", sha256="1" * 64, mime="application/json")
    (told,) = complaints(video(model="mine", graph=stranger))
    assert told == "graph.key: channels/poke2/x.json is no graph that was added with `comfy add`"
    added = stranger.model_copy(update={"key": "graphs/mine/1.json"})
    assert list(complaints(video(model="mine", graph=added))) == []


@pytest.mark.parametrize(
    "prompt", ["A cat wakes. Slow pan left.", MotionPrompt(action="A cat wakes", camera="Slow orbit")], ids=type
)
def test_the_graph_is_told_what_the_take_is_made_from(prompt: str | MotionPrompt) -> None:
    asked = video(model="wan22_i2v", prompt_prefix="Ink drawing")
    clip = asked.clips[0].model_copy(update={"prompt": prompt})
    asked = asked.model_copy(update={"clips": [clip]})
    told, parts = ordered(asked).parameters, parts_of(asked, clip)
    assert told.prompt == parts.prompt
    assert told.prompt.startswith("Ink drawing, A cat wakes. Slow ")
    assert told.camera is parts.camera


def test_the_words_of_a_style_move_no_camera() -> None:
    told = ordered(video(model="wan22_i2v", prompt_prefix="Panoramic pixel art"))
    assert told.parameters.camera is CameraMove.ZOOM_IN
    static = ordered(video(model="wan22_i2v", prompt_prefix="Motionless camera, pixel art"))
    assert static.moving


def test_the_longest_words_of_a_style_go_before_the_longest_prompt() -> None:
    asked = video(model="wan22_i2v", prompt_prefix="b" * 2_000)
    longest = asked.clips[0].model_copy(update={"prompt": "a" * PROMPT_LIMIT})
    asked = asked.model_copy(update={"clips": [longest]})
    assert list(complaints(asked)) == []
    assert ordered(asked).parameters.prompt.endswith("b, " + "a" * PROMPT_LIMIT)
