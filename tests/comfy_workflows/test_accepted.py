"""Shipped graphs, given the values of graphs that a real server accepted, are these graphs."""

from typing import Any

import pytest

from comfy_workflows.graph import load_graph
from studio.contracts.clip import CameraMove
from studio.contracts.render import GraphParameters, Lora, LoraPair
from tests.comfy_workflows.conftest import accepted

BEACH = {"prompt": "the camera slowly moves closer", "seed": 1, "width": 640, "height": 640, "frames": 81}
ROOM = {"prompt": "put the character in a cosy, softly lit room", "seed": 1}
PLANE = {"prompt": "a paper plane glides between towers", "seed": 1, "width": 1280, "height": 720, "seconds": 5}
PAIR = LoraPair(high="user_high.safetensors", low="user_low.safetensors")
STYLE = Lora(name="style.safetensors", strength=0.8)
LIGHTHOUSE = {"prompt": "a lighthouse at dawn", "seed": 1}


@pytest.mark.parametrize(
    ("file", "graph", "pictures", "prefix", "asked"),
    [
        ("z_image_turbo_t2i", "z_image_turbo", 0, "jobs/zimage", LIGHTHOUSE),
        ("z_image_turbo_t2i_lora", "z_image_turbo", 0, "jobs/zimage", LIGHTHOUSE | {"loras": (STYLE,)}),
        ("flux2_klein_edit", "flux2_klein_edit", 1, "jobs/klein", ROOM),
        (
            "flux2_klein_edit_2refs_1920x1088",
            "flux2_klein_edit",
            2,
            "jobs/klein",
            ROOM | {"width": 1920, "height": 1088},
        ),
        ("wan22_i2v", "wan22_i2v", 1, "jobs/wan22", BEACH),
        ("wan22_i2v_lightning_lora", "wan22_i2v", 1, "jobs/wan22", BEACH | {"fast": True, "loras": (PAIR,)}),
        (
            "wan22_fun_camera",
            "wan22_fun_camera",
            1,
            "jobs/wan22cam",
            BEACH | {"prompt": "the camera moves through the scene", "camera": CameraMove.ZOOM_IN, "strength": 0.5},
        ),
        ("hunyuan15_t2v", "hunyuan15_t2v", 0, "jobs/hy15", PLANE),
        ("hunyuan15_i2v", "hunyuan15_i2v", 1, "jobs/hy15", PLANE),
    ],
)
def test_a_bound_graph_equals_the_accepted_one_node_by_node(
    file: str, graph: str, pictures: int, prefix: str, asked: dict[str, Any]
) -> None:
    parameters = GraphParameters.model_validate(asked)
    bound = load_graph(graph).bind(parameters, images=["example.png"] * pictures, prefix=prefix).graph
    expected = accepted(file)
    different = {node: bound.get(node) for node in bound | expected if bound.get(node) != expected.get(node)}
    assert different == {}
