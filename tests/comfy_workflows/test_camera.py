"""Camera movement in numbers."""

from typing import Any

import pytest

from comfy_workflows.camera import POSES, speed_of
from comfy_workflows.graph import BoundGraph, load_graph
from studio.contracts.clip import CameraMove
from studio.contracts.render import GraphParameters


def bind(name: str, **asked: Any) -> BoundGraph:
    parameters = GraphParameters.model_validate({"prompt": "a cat", "seed": 1} | asked)
    return load_graph(name).bind(parameters, images=["a.png"], prefix="p")


@pytest.mark.parametrize(("strength", "speed"), [(0, 0.2), (0.5, 1.0), (1, 1.8), (0.25, 0.6)])
def test_strength_becomes_speed(strength: float, speed: float) -> None:
    bound = bind("wan22_fun_camera", camera="pan_left", strength=strength)
    camera = bound.graph["108"]["inputs"]
    assert (camera["camera_pose"], camera["speed"]) == ("Pan Left", speed)
    assert bound.notes == ()


def test_every_move_has_a_pose_that_the_node_knows(object_info: dict[str, Any]) -> None:
    known = object_info["WanCameraEmbedding"]["input"]["required"]["camera_pose"][1]["options"]
    assert set(POSES) == set(CameraMove)
    assert {pose.name for pose in POSES.values()} <= set(known)


def test_moves_the_node_has_not_are_said_in_words_too() -> None:
    template = load_graph("wan22_fun_camera")
    assert {move for move in CameraMove if template.camera_in_words(move)} == {CameraMove.ORBIT, CameraMove.TRUCK}
    bound = bind("wan22_fun_camera", camera="orbit")
    assert bound.graph["108"]["inputs"]["camera_pose"] == "Pan Right"
    assert bound.notes == (
        "camera orbit: Pan Right is the nearest wan22_fun_camera has, the prompt has to say the rest",
    )


@pytest.mark.parametrize("name", ["wan22_i2v", "hunyuan15_i2v"])
def test_a_graph_without_numbers_leaves_every_move_to_the_prompt(name: str) -> None:
    assert all(load_graph(name).camera_in_words(move) for move in CameraMove)
    assert bind(name, camera="static").notes == (
        f"camera static: {name} has no numbers for it, only the prompt can say it",
    )


def test_without_a_move_the_graphs_own_camera_stays() -> None:
    camera = bind("wan22_fun_camera", strength=1).graph["108"]["inputs"]
    assert (camera["camera_pose"], camera["speed"]) == ("Zoom In", 1.0)


def test_more_strength_is_never_slower() -> None:
    speeds = [speed_of(step / 20) for step in range(21)]
    assert speeds == sorted(speeds)
