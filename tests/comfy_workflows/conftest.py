"""A server's node schema, cut down to the nodes of the graphs here; graphs that a real server accepted."""

import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def accepted(name: str) -> dict[str, Any]:
    """A graph that a real server (0.33.0) accepted."""
    graph: dict[str, Any] = json.loads((HERE / "accepted" / f"{name}.json").read_text(encoding="utf-8"))
    return graph


def own_clip_graph() -> dict[str, Any]:
    """A two-pass graph as somebody exports it for the API, its nodes titled."""
    titles = {
        "97": "start picture in:image",
        "93": "in:prompt",
        "98": "Size in:width in:height in:length",
        "86": "High in:seed in:steps",
        "108": "out:video",
    }
    graph = accepted("wan22_i2v")
    for node, content in graph.items():
        content["_meta"] = {"title": titles.get(node, content["class_type"])}
    return graph


@pytest.fixture
def object_info() -> dict[str, Any]:
    """The answer to GET /object_info of a server (0.33.0) that has every model file of the shipped graphs."""
    answer: dict[str, Any] = json.loads((HERE / "object_info.json").read_text(encoding="utf-8"))
    return answer
