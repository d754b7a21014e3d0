"""Graphs of two and three passes: with other steps the last pass still ends at the last step."""

import json
from typing import Any

import pytest

from comfy_workflows.graph import BoundGraph, load_graph
from comfy_workflows.own import read_own_graph
from studio.contracts.render import GraphParameters
from studio.errors import InvalidRequest
from tests.comfy_workflows.conftest import own_clip_graph

Graph = dict[str, Any]


def two_pass(*, steps: int = 4, split: int = 2, last: Any = 4, high: str = "in:steps", low: str = "in:steps") -> Graph:
    graph = own_clip_graph()
    graph["86"]["inputs"] |= {"steps": steps, "end_at_step": split}
    graph["85"]["inputs"] |= {"steps": steps, "start_at_step": split, "end_at_step": last}
    graph["86"]["_meta"]["title"], graph["85"]["_meta"]["title"] = f"in:seed {high}", low
    return graph


def bind(graph: Graph, steps: int | None) -> BoundGraph:
    parameters = GraphParameters(prompt="a cat", seed=7, steps=steps)
    return read_own_graph(json.dumps(graph), name="mine").bind(parameters, images=("x.png",), prefix="p")


def parts(bound: BoundGraph) -> list[tuple[Any, Any, Any]]:
    nodes = [bound.graph[node]["inputs"] for node in ("86", "85")]
    return [(one["steps"], one["start_at_step"], min(one["end_at_step"], one["steps"])) for one in nodes]


MARKED = {"high": "in:steps in:split=end_at_step", "low": "in:steps in:split=start_at_step"}


Marked = dict[str, Any]


@pytest.mark.parametrize("last", [4, 10_000])
@pytest.mark.parametrize(
    "marked",
    [
        MARKED,
        {},
        {"high": MARKED["high"]},
        {"low": MARKED["low"]},
        {"low": "Low"},
        {"high": MARKED["high"], "low": "Low"},
    ],
)
def test_twenty_steps_on_a_graph_of_four_end_at_the_twentieth(marked: Marked, last: int) -> None:
    assert parts(bind(two_pass(last=last, **marked), 20)) == [(20, 0, 10), (20, 10, 20)]
    assert parts(bind(two_pass(last=last, **marked), None)) == [(4, 0, 2), (4, 2, 4)]
    assert parts(bind(two_pass(last=last, **marked), 4)) == [(4, 0, 2), (4, 2, 4)]


def test_fewer_steps_leave_no_pass_without_any() -> None:
    for steps, split in ((8, 4), (2, 1), (3, 2)):
        assert parts(bind(two_pass(steps=20, split=10, last=20), steps)) == [(steps, 0, split), (steps, split, steps)]
    with pytest.raises(InvalidRequest, match=r"mine: with 1 steps node 85 .* would have none of them"):
        bind(two_pass(), 1)


def test_the_share_of_the_passes_stays_where_no_split_is_marked() -> None:
    assert parts(bind(two_pass(steps=20, split=8, last=20), 10)) == [(10, 0, 4), (10, 4, 10)]


def test_a_last_step_that_comes_from_another_number_follows_as_well() -> None:
    graph = two_pass(last=["200", 0])
    graph["200"] = {"class_type": "PrimitiveInt", "inputs": {"value": 4}, "_meta": {"title": "last"}}
    assert parts(bind(graph | {}, 20))[1] == (20, 10, 20)
    graph = two_pass()
    for node in ("86", "85"):
        graph[node]["inputs"]["steps"] = ["200", 0]
        graph[node]["_meta"]["title"] = "in:seed" if node == "86" else "low"
    graph["200"] = {"class_type": "PrimitiveInt", "inputs": {"value": 4}, "_meta": {"title": "in:steps"}}
    bound = bind(graph, 20)
    assert bound.graph["200"]["inputs"]["value"] == 20
    assert [bound.graph[node]["inputs"][name] for node, name in (("86", "end_at_step"), ("85", "start_at_step"))] == [
        10,
        10,
    ]
    assert bound.graph["85"]["inputs"]["end_at_step"] == 20


def test_three_passes_keep_their_shares() -> None:
    graph = two_pass(steps=8, split=2, last=4)
    third = json.loads(json.dumps(graph["85"]))
    third["inputs"] |= {"start_at_step": 4, "end_at_step": 8, "latent_image": ["85", 0]}
    graph["300"] = third
    graph["87"]["inputs"]["samples"] = ["300", 0]
    bound = bind(graph, 20)
    assert parts(bound) == [(20, 0, 5), (20, 5, 10)]
    last = bound.graph["300"]["inputs"]
    assert (last["steps"], last["start_at_step"], last["end_at_step"]) == (20, 10, 20)


def test_the_shipped_graph_is_as_it_was() -> None:
    for asked, split in ((None, 10), (20, 10), (30, 15), (8, 4)):
        parameters = GraphParameters(prompt="a cat", seed=7, steps=asked)
        bound = load_graph("wan22_i2v").bind(parameters, images=("x.png",), prefix="p")
        steps = asked or 20
        assert parts(bound) == [(steps, 0, split), (steps, split, steps)]
