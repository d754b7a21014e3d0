"""Lengths that a graph computes: followed to the frames they make, or refused when the graph is added."""

import json
from typing import Any

import pytest

from comfy_workflows.computed import holds_whole_numbers, number_of
from comfy_workflows.declaration import ParameterName
from comfy_workflows.expression import NotArithmetic, evaluated
from comfy_workflows.graph import BoundGraph, GraphTemplate
from comfy_workflows.own import read_own_graph
from studio.contracts.render import GraphParameters
from studio.errors import InvalidRequest
from tests.comfy_workflows.conftest import own_clip_graph

Graph = dict[str, Any]


def node(class_type: str, title: str = "", /, **inputs: Any) -> Graph:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title or class_type}}


def clip(*, length: list[Any] | None = None, fps: Any = 16.0, **nodes: Graph) -> Graph:
    """The two-pass graph whose length comes from another node; `n200`: a node more."""
    graph = own_clip_graph()
    graph["98"]["_meta"]["title"] = "Size in:width in:height"
    if length is not None:
        graph["98"]["inputs"]["length"] = length
    graph["94"]["inputs"]["fps"] = fps
    return graph | {name.removeprefix("n"): content for name, content in nodes.items()}


def expression(text: str, class_type: str = "ComfyMathExpression", **values: Any) -> Graph:
    name = "value" if class_type == "SimpleMath+" else "expression"
    prefix = "values." if class_type == "ComfyMathExpression" else ""
    return node(class_type, "", **{name: text}, **{f"{prefix}{key}": value for key, value in values.items()})


def read(graph: Graph, **options: Any) -> GraphTemplate:
    return read_own_graph(json.dumps(graph), name="mine", **options)


def bind(template: GraphTemplate, **asked: Any) -> BoundGraph:
    parameters = GraphParameters.model_validate({"prompt": "a cat", "seed": 7} | asked)
    return template.bind(parameters, images=("x.png",), prefix="p")


TEMPLATE = "floor(a * b + 1)"
SECONDS: dict[str, dict[str, Any]] = {
    "core": {"length": ["202", 1], "n202": expression(TEMPLATE, a=["200", 0], b=["201", 0])},
    "pysssss": {
        "length": ["202", 0],
        "n202": expression("a*b+1", "MathExpression|pysssss", a=["200", 0], b=["201", 0]),
    },
    "essentials": {"length": ["202", 0], "n202": expression("a*b+1", "SimpleMath+", a=["200", 0], b=["201", 0])},
    "constant": {"length": ["202", 1], "n202": expression("int(a) * 16 + 1", a=["200", 0])},
    "steps of four": {
        "length": ["202", 1],
        "n202": expression("round(a * b) // 4 * 4 + 1", a=["200", 0], b=["201", 0]),
    },
    "two nodes": {
        "length": ["203", 0],
        "n202": node("CM_IntBinaryOperation", "", op="Multiply", a=["200", 0], b=["201", 0]),
        "n203": node("easy mathInt", "", operation="add", a=["202", 0], b=1),
    },
    "through a switch": {
        "length": ["203", 0],
        "n202": expression(TEMPLATE, "SimpleCalculatorKJ", a=["200", 0], b=["201", 0]),
        "n203": node("ComfySwitchNode", "", switch=False, on_true=5, on_false=["202", 1]),
    },
}


@pytest.mark.parametrize("way", SECONDS)
def test_five_seconds_are_eighty_one_frames_whatever_computes_them(way: str, object_info: Graph) -> None:
    holders = {
        "PrimitiveFloat": node("PrimitiveFloat", "in:seconds", value=5.0),
        "PrimitiveInt": node("PrimitiveInt", "Duration in:seconds", value=5),
        "INTConstant": node("INTConstant", "in:seconds", value=5),
        "mxSlider": node("mxSlider", "in:seconds", Xi=5, Xf=5.0, isfloatX=0),
        "mxSlider of fractions": node("mxSlider", "in:seconds", Xi=5, Xf=5.0, isfloatX=1),
        "Int": node("Int", "in:seconds=Number", Number="5"),
        "linked": node("PrimitiveInt", "in:seconds", value=5, control="fixed"),
    }
    for holder, content in holders.items():
        graph = clip(fps=["201", 0], n200=content, n201=node("PrimitiveFloat", "", value=16.0), **SECONDS[way])
        for schema in (None, object_info):
            template = read(graph, object_info=schema)
            assert (template.declaration.fps, bind(template).frames) == (16, 81), holder
            for seconds, frames in ((5, 81), (10, 161)):
                bound = bind(template, seconds=seconds)
                assert (bound.frames, bound.fps) == (frames, 16), (holder, seconds)
            made = bind(template, frames=81).frames  # whole seconds make more
            assert made == (97 if holds_whole_numbers(content) else 81), holder


def test_a_length_between_its_steps_is_raised_until_the_frames_are_enough(object_info: Graph) -> None:
    graph = clip(
        length=["202", 1],
        n200=node("PrimitiveFloat", "in:seconds", value=5.0),
        n202=expression("floor(a * 16)", a=["200", 0]),  # 80, and the node rounds down to 77
    )
    template = read(graph, object_info=object_info)
    assert bind(template).frames == 77
    for seconds, frames, note in (
        (5, 81, "seconds 5 → 5.0625, for 80 frames"),
        (2.3, 37, "seconds 2.3 → 2.3625, for 37 frames"),
        (7.0625, 113, ""),
    ):
        bound = bind(template, seconds=seconds)
        assert (bound.frames, [one for one in bound.notes if one.startswith("seconds")]) == (
            frames,
            [note] * bool(note),
        )


def test_seconds_marked_as_a_length_are_refused_with_the_right_marker() -> None:
    for holder in (
        node("PrimitiveInt", "in:length", value=5),
        node("mxSlider", "in:length", Xi=5, Xf=5, isfloatX=0),
        node("PrimitiveFloat", "in:length", value=5.0),
    ):
        graph = clip(length=["202", 1], n200=holder, n202=expression("a * 16 + 1", a=["200", 0]))
        with pytest.raises(
            InvalidRequest, match=r"node 200 .* says 5, and the graph makes 81 frames of it.*in:seconds"
        ):
            read(graph)


def test_frames_marked_as_seconds_are_refused_with_the_right_marker() -> None:
    graph = clip(length=["200", 0], n200=node("PrimitiveInt", "in:seconds", value=81))
    with pytest.raises(InvalidRequest, match=r"says 81, and the graph makes 81 frames of it.*in:length"):
        read(graph)
    graph["94"]["inputs"]["fps"] = ["98", 0]
    with pytest.raises(InvalidRequest, match="in:seconds: how many frames the graph shows per second"):
        read(graph)
    with pytest.raises(InvalidRequest, match="leads to no length in frames"):
        read(clip(n200=node("PrimitiveInt", "in:seconds", value=5)) | {"104": own_clip_graph()["104"]} | shift())


def shift() -> Graph:
    graph = own_clip_graph()
    graph["104"]["inputs"]["shift"] = ["200", 0]
    return {"104": graph["104"]}


def test_a_length_is_marked_once() -> None:
    graph = clip(
        length=["202", 1],
        n200=node("PrimitiveFloat", "in:seconds", value=5.0),
        n202=expression("a * 16 + b", a=["200", 0], b=["203", 0]),
        n203=node("PrimitiveInt", "in:length", value=1),
    )
    with pytest.raises(InvalidRequest, match="mark the clip's length once"):
        read(graph)


@pytest.mark.parametrize(
    ("computing", "slot"),
    [
        (node("SomeMath", "", a=["200", 0], b=16, c=1), 0),
        (node("SomeMath", "", number=["200", 0]), 0),
        (expression("a * b + 1 if x else y", a=["200", 0]), 1),
        (expression("__import__('os')", a=["200", 0]), 1),
        (expression("a * 16", a=["200", 0], b=["97", 0]), 7),
        (node("CM_IntBinaryOperation", "", op="Xor", a=["200", 0], b=16), 0),
    ],
)
def test_what_cannot_be_computed_is_refused_by_the_name_of_the_node(computing: Graph, slot: int) -> None:
    for marker, value in (("in:length", 81), ("in:seconds", 5)):
        graph = clip(length=["202", slot], n200=node("PrimitiveInt", marker, value=value), n202=computing)
        with pytest.raises(InvalidRequest, match=rf"{marker}: node 200 .* only through node 202 "):
            read(graph)


def test_frames_through_arithmetic_that_leaves_them_as_they_are_are_followed(object_info: Graph) -> None:
    for text, asked, made in (
        ("a", 49, 49),
        ("(a - 1) // 4 * 4 + 1", 50, 53),
        ("max(a, 17)", 9, 17),
        ("a + 0.4", 49, 49),
    ):
        graph = clip(
            length=["202", 1], n200=node("PrimitiveInt", "in:length", value=81), n202=expression(text, a=["200", 0])
        )
        template = read(graph, object_info=object_info)
        assert bind(template).frames == 81
        bound = bind(template, frames=asked)
        assert bound.frames == made, text
    capped = clip(
        length=["202", 1],
        n200=node("PrimitiveInt", "in:length", value=81),
        n202=expression("min(a, 81)", a=["200", 0]),
    )
    with pytest.raises(InvalidRequest, match="mine: 161 frames are too many for this graph"):
        bind(read(capped), frames=161)
    jumpy = clip(
        length=["202", 1],
        n200=node("PrimitiveInt", "in:length", value=81),
        n202=expression("a if a < 100 else a * 16", a=["200", 0]),
    )
    with pytest.raises(InvalidRequest, match=r"161 frames are needed, and the graph makes 2573"):
        bind(read(jumpy), frames=161)


def test_a_computed_length_says_which_numbers_to_mark() -> None:
    graph = clip(
        length=["202", 1],
        n200=node("PrimitiveFloat", "Duration", value=5.0),
        n201=node("PrimitiveFloat", "Rate", value=16.0),
        n202=expression(TEMPLATE, a=["200", 0], b=["201", 0]),
    )
    graph["98"]["_meta"]["title"] = "in:length"
    with pytest.raises(InvalidRequest) as refused:
        read(graph)
    assert 'node 200 "Duration" (PrimitiveFloat), node 201 "Rate" (PrimitiveFloat)' in str(refused.value)
    assert "in seconds in:seconds" in str(refused.value)


def test_a_frame_rate_that_comes_through_other_nodes_is_the_one_of_the_clip() -> None:
    for link, nodes in (
        (["201", 0], {"n201": node("PrimitiveFloat", "", value=24.0)}),
        (["202", 0], {"n201": node("PrimitiveInt", "", value=12), "n202": expression("a * 2", a=["201", 0])}),
    ):
        graph = clip(length=["200", 0], fps=link, n200=node("PrimitiveInt", "in:length", value=81), **nodes)
        template = read(graph)
        assert (template.declaration.fps, bind(template, seconds=2).frames) == (24, 49)


def test_a_frame_rate_behind_a_multiplier_is_refused() -> None:
    rate = node("PrimitiveFloat", "in:fps", value=16.0)
    ways: list[tuple[Any, dict[str, Any]]] = [
        (["202", 0], {"n202": expression("a * 2", a=["201", 0])}),
        (["202", 0], {"n202": expression("max(a, 16)", a=["203", 0]), "n203": node("PrimitiveInt", "", value=16)}),
        (16.0, {}),
    ]
    for link, further in ways:
        graph = clip(fps=link, n201=rate, **further)
        graph["98"]["_meta"]["title"] = "in:length"
        graph["104"]["inputs"]["shift"] = ["201", 0]
        with pytest.raises(InvalidRequest, match=r"in:fps: node 201 .* is set to .*, which is what the clip has"):
            read(graph)
    graph = clip(fps=["202", 0], n201=rate, n202=node("Rate", "", base=["201", 0], factor=2))
    with pytest.raises(InvalidRequest, match=r"reaches the frames per second only through node 202 .*Rate"):
        read(graph)


def test_the_same_rate_in_computation_and_file_changes_both(object_info: Graph) -> None:
    graph = clip(
        length=["202", 1],
        fps=["201", 0],
        n200=node("PrimitiveFloat", "in:seconds", value=5.0),
        n201=node("PrimitiveFloat", "in:fps", value=16.0),
        n202=expression(TEMPLATE, a=["200", 0], b=["201", 0]),
    )
    bound = bind(read(graph, object_info=object_info), seconds=5, fps=24)
    assert (bound.frames, bound.fps) == (121, 24)


def test_arithmetic_is_read_as_servers_read_it_and_nothing_else_is() -> None:
    numbers = {"a": 5, "b": 16}
    for text, value in (
        ("floor(a * b + 1)", 81),
        ("a**2 - -3", 28),
        ("ceil(a/2)\n*4+1", 13),
        ("a*b if a > 3 else 1", 80),
        ("pow(2, 3) % 5 + round(2.6) + abs(-1) + int(1.9)", 8),
        ("(a - 1) // 4 * 4 + 1", 5),
        ("max(min(a, 9), sqrt(b))", 5),
        ("not a or b > 2 and a < 9", 1),
    ):
        assert evaluated(text, numbers.__getitem__) == value, text
    for text in ("", "a +", "a.real", "[a]", "'x'", "a and open", "2**999", "1/0", "lambda: 1", "9" * 600, "a if"):
        with pytest.raises((NotArithmetic, KeyError)):
            evaluated(text, numbers.__getitem__)


def test_a_number_that_is_used_twice_at_every_step_is_computed_once() -> None:
    """Forty sums of a number with itself: over a million million ways lead to the first one."""
    graph: Graph = {"0": {"class_type": "PrimitiveInt", "inputs": {"value": 1}}}
    for step in range(1, 41):
        before = [str(step - 1), 0]
        inputs = {"op": "add", "a": before, "b": before}
        graph[str(step)] = {"class_type": "CM_IntBinaryOperation", "inputs": inputs}
    assert number_of(graph, ["40", 0]) == 2**40


def test_a_duration_is_a_parameter_of_its_own() -> None:
    graph = clip(
        length=["202", 1],
        n200=node("PrimitiveFloat", "in:seconds", value=5.0),
        n202=expression("a * 16 + 1", a=["200", 0]),
    )
    declaration = read(graph).declaration
    seconds = declaration.parameter(ParameterName.SECONDS)
    assert seconds is not None and (seconds.type, seconds.default) == ("number", 5.0)
    assert declaration.parameter(ParameterName.LENGTH) is None
    assert GraphTemplate.model_validate_json(read(graph).model_dump_json()) == read(graph)
