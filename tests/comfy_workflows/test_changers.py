"""Nodes that make another size, another number of frames or deeper colours are told when a graph is added."""

import json
from typing import Any

import pytest

from comfy_workflows.graph import GraphTemplate
from comfy_workflows.own import read_own_graph
from studio.contracts.render import GraphParameters
from studio.errors import InvalidRequest
from tests.comfy_workflows.conftest import own_clip_graph

Graph = dict[str, Any]


def read(graph: Graph) -> GraphTemplate:
    return read_own_graph(json.dumps(graph), name="mine")


def behind(class_type: str, marked: str, **inputs: Any) -> Graph:
    """A node between the clip's frames and its file; `marked`: the markers of size and length."""
    graph = own_clip_graph()
    graph["98"]["_meta"]["title"] = marked
    graph["300"] = {"class_type": class_type, "inputs": {"image": ["87", 0], **inputs}}
    graph["94"]["inputs"]["images"] = ["300", 0]
    return graph


SIZES: list[tuple[str, Graph, Graph | None]] = [
    ("ImageScaleBy", {"scale_by": 2.0}, {"scale_by": 1.0}),
    (
        "ImageResizeKJv2",
        {"keep_proportion": "resize", "width": 64},
        {"keep_proportion": "crop", "width": 0, "height": 0},
    ),
    ("ImageResizeKJ", {"keep_proportion": True}, {"keep_proportion": False, "width": 0, "height": 0}),
    ("ImageResize+", {"method": "keep proportion"}, {"method": "stretch", "width": 0, "height": 0}),
    ("ImageResizeKJv2", {"keep_proportion": "stretch", "divisible_by": 64}, {"divisible_by": 16}),
    ("ResizeImageMaskNode", {"resize_type": "scale by multiplier"}, {"resize_type": "scale dimensions"}),
    ("ImageScaleToMaxDimension", {"largest_size": 512}, None),
    ("UltimateSDUpscale", {"upscale_by": 2}, {"upscale_by": 1}),
    ("ImagePadForOutpaint", {"left": 8}, None),
    ("ImageScale", {"width": 1280, "height": 720}, {"width": 0, "height": 0}),
    ("ImageCrop", {"width": 640, "height": 480}, None),
]
FRAMES: list[tuple[str, Graph, Graph | None]] = [
    ("FrameInterpolate", {"multiplier": 2}, {"multiplier": 1}),
    ("FrameInterpolate", {"multiplier": ["98", 0]}, None),
    ("RIFE VFI", {"multiplier": 3}, {"multiplier": 1}),
    ("FILM VFI", {"multiplier": 3}, {"multiplier": 1}),
    ("GIMMVFI_interpolate", {"interpolation_factor": 8}, {"interpolation_factor": 1}),
    ("RepeatImageBatch", {"amount": 2}, {"amount": 1}),
    ("ImageFromBatch", {"batch_index": 0, "length": 1}, None),
    ("VHS_SelectEveryNthImage", {"select_every_nth": 2}, {"select_every_nth": 1}),
    ("ImageBatch", {"image2": ["97", 0]}, None),
    ("TrimVideoLatent", {"trim_amount": 3}, {"trim_amount": 0}),
]


def test_what_makes_another_size_is_told_by_its_values() -> None:
    for class_type, changing, neutral in SIZES:
        with pytest.raises(InvalidRequest, match=r"^node 300 .*(in:width|in:height)"):
            read(behind(class_type, "in:width in:height in:length", **changing))
        read(behind(class_type, "in:length", **changing))  # every result has the size the graph gives it
        if neutral is not None:
            read(behind(class_type, "in:width in:height in:length", **neutral))


def test_what_makes_another_number_of_frames_is_told_by_its_values() -> None:
    for class_type, changing, neutral in FRAMES:
        with pytest.raises(InvalidRequest, match=rf"^node 300 \({class_type}\) adds frames behind in:length, or takes"):
            read(behind(class_type, "in:length", **changing))
        if neutral is not None:
            read(behind(class_type, "in:length", **neutral))


def test_a_saver_that_loops_plays_back_or_cuts_is_told() -> None:
    def combined(**inputs: Any) -> Graph:
        graph = own_clip_graph()
        given = {"images": ["87", 0], "frame_rate": 16, "filename_prefix": "x", "format": "video/h264-mp4", **inputs}
        graph["108"] = {"class_type": "VHS_VideoCombine", "inputs": given, "_meta": {"title": "out:video"}}
        return graph

    read(combined(pingpong=False, loop_count=0, trim_to_audio=False, save_output=True, pix_fmt="yuv420p"))
    for odd in ({"pingpong": True}, {"loop_count": 1}, {"trim_to_audio": True}):
        with pytest.raises(InvalidRequest, match=r"VHS_VideoCombine\) adds frames behind in:length"):
            read(combined(**odd))
    for deep in ("yuv420p10le", "p010le"):
        with pytest.raises(InvalidRequest, match=rf"saves 10-bit or HDR colour \(pix_fmt is '{deep}'\)"):
            read(combined(pix_fmt=deep))


def test_deep_colours_are_told() -> None:
    graph = own_clip_graph()
    graph["94"]["inputs"]["bit_depth"] = 10
    with pytest.raises(InvalidRequest, match="bit_depth is 10"):
        read(graph)
    graph["94"]["inputs"]["bit_depth"] = 8
    for space in ("HDR", "HDR PQ"):
        graph["108"]["inputs"]["format.codec.encoding.color_space"] = space
        with pytest.raises(InvalidRequest, match=f"color_space is '{space}'"):
            read(graph)
    graph["108"]["inputs"]["format.codec.encoding.color_space"] = "sRGB"
    read(graph)


def resized_start(keep: str, *, into_size: bool) -> Graph:
    """The start picture is resized to the marked size; `into_size`: the clip takes its size from that picture."""
    graph = own_clip_graph()
    inputs = {
        "image": ["97", 0],
        "width": ["200", 0],
        "height": ["201", 0],
        "keep_proportion": keep,
        "divisible_by": 32,
    }
    graph["300"] = {"class_type": "ImageResizeKJv2", "inputs": inputs}
    graph["98"]["inputs"]["start_image"] = ["300", 0]
    graph["98"]["_meta"]["title"] = "in:length"
    for node, side, output in (("200", "width", 1), ("201", "height", 2)):
        graph[node] = {"class_type": "PrimitiveInt", "inputs": {"value": 512}, "_meta": {"title": f"in:{side}"}}
        graph["98"]["inputs"][side] = ["300", output] if into_size else [node, 0]
    return graph


def test_a_resizer_of_the_start_picture_matters_where_the_clip_takes_its_size_from_it() -> None:
    read(resized_start("resize", into_size=False))
    with pytest.raises(InvalidRequest, match=r"node 300 \(ImageResizeKJv2\) changes the size behind in:width"):
        read(resized_start("resize", into_size=True))
    template = read(resized_start("crop", into_size=True))
    bound = template.bind(GraphParameters(prompt="p", seed=1, width=500), images=("x.png",), prefix="p")
    assert (bound.width, bound.height) == (512, 512)
    assert "width 500 → 512 (a multiple of 32)" in bound.notes


def test_frames_that_are_cut_to_the_marked_length_are_the_marked_length() -> None:
    graph = behind("ImageFromBatch", "Size", batch_index=0, length=["200", 0])
    graph["200"] = {"class_type": "PrimitiveInt", "inputs": {"value": 81}, "_meta": {"title": "in:length"}}
    graph["98"]["inputs"]["length"] = ["200", 0]
    assert read(graph).bind(GraphParameters(prompt="p", seed=1, frames=49), images=("x",), prefix="p").frames == 49
