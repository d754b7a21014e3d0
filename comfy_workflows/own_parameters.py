"""The parameters of a user's own graph: where each one goes, what it is by itself, which values its places take."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from comfy_workflows.changers import divisor_of
from comfy_workflows.check import name_of
from comfy_workflows.computed import (
    holds_a_number,
    holds_whole_numbers,
    plain_number,
    receivers,
    slider_input,
)
from comfy_workflows.declaration import Parameter, ParameterName, Place
from comfy_workflows.markers import USUAL, Marker
from comfy_workflows.rewire import cut_loose_ends, is_link
from comfy_workflows.schema import InputSpec, ObjectInfo, inputs_of, node_of
from studio.errors import InvalidRequest

_TEXTS = (ParameterName.PROMPT, ParameterName.NEGATIVE)
_NUMBERS = (ParameterName.FPS, ParameterName.CFG, ParameterName.SECONDS)
MOST_NAMED = 6
"""Nodes that a message names."""
_SIDES = (ParameterName.WIDTH, ParameterName.HEIGHT)
_ALWAYS_GIVEN = (ParameterName.PROMPT, ParameterName.SEED)
"""What the file says of these never counts."""


def parameters_of(
    graph: Mapping[str, Any], markers: Iterable[Marker], object_info: ObjectInfo
) -> tuple[Parameter, ...]:
    """The parameters that these markers name, in the order of all parameters.

    Raises:
        InvalidRequest: a marker leads to no value, or to one of another type; or the places of one hold different
            values, so that "as the file has it" would mean nothing.
    """
    marked = [(ParameterName(marker.what), place_of(graph, marker)) for marker in markers]
    found = []
    for name in ParameterName:
        places = tuple(dict.fromkeys(place for other, place in marked if other is name))
        if places:
            found.append(_parameter(graph, name, places, object_info))
    return tuple(found)


def place_of(graph: Mapping[str, Any], marker: Marker) -> Place:
    """The input that a marker means.

    Raises:
        InvalidRequest: the node has none of these, or it comes from another node.
    """
    content = graph[marker.node]
    inputs = content["inputs"]
    wanted = (marker.input,) if marker.input else USUAL[marker.what]
    found = next((name for name in wanted if name in inputs), None)
    if not marker.input and (slider := slider_input(content)):
        found = slider
    where = name_of(marker.node, content)
    if found is None:
        named = f"in:{marker.what}=…"
        raise InvalidRequest(
            f"{where} has no input {' or '.join(wanted) or 'that is meant'}: name it as {named}, of {', '.join(inputs)}"
        )
    if is_link(inputs[found]):
        raise InvalidRequest(f"{where}: {found} comes from node {inputs[found][0]}{_instead(graph, marker, found)}")
    return Place(node=marker.node, input=found)


def _instead(graph: Mapping[str, Any], marker: Marker, found: str) -> str:
    """Where the marker belongs: of a computed number, at the numbers it is computed of."""
    source = graph[marker.node]["inputs"][found][0]
    holders = [
        node
        for node, content in cut_loose_ends(dict(graph), source).items()
        if (holds_a_number(content) or slider_input(content))
    ]
    if source in holders or not holders or marker.what not in ("length", "seconds", "fps"):
        return f"; put in:{marker.what} there"
    named = ", ".join(name_of(node, graph[node]) for node in holders[:MOST_NAMED])
    if marker.what == "fps":
        return f", which computes it of {named}: title the one that holds the frames per second in:fps"
    return (
        f", which computes it of {named}: title the one that holds the clip's length in seconds in:seconds, or the one "
        "that holds its frames in:length"
    )


def _parameter(
    graph: Mapping[str, Any], name: ParameterName, places: tuple[Place, ...], object_info: ObjectInfo
) -> Parameter:
    default = _default(graph, name, places)
    if name in _TEXTS:
        return Parameter(name=name, places=places, type="text", default=default)
    specs = [spec for place in places for spec in _specs(graph, place, object_info)]
    if name is ParameterName.SECONDS:
        specs = specs[: len(places)]  # what gets the number takes frames or a rate, not seconds
        if any(holds_whole_numbers(graph[place.node]) for place in places):
            return Parameter(name=name, places=places, type="integer", default=math.ceil(default), **_range(specs))
    if name in _NUMBERS and not any(spec.type == "INT" for spec in specs):
        return Parameter(name=name, places=places, type="number", default=default, **_range(specs))
    rule = _rule(specs)
    divisor = max((divisor_of(graph[node]) for place in places for node in receivers(graph, place.node)), default=1)
    if name in _SIDES and divisor > rule.get("step", 1):
        rule = {"step": divisor}
    return Parameter(name=name, places=places, type="integer", default=int(default), **_range(specs), **rule)


def _default(graph: Mapping[str, Any], name: ParameterName, places: tuple[Place, ...]) -> Any:
    """What the file says: the same in all places."""
    values = [graph[place.node]["inputs"][place.input] for place in places]
    if name not in _TEXTS:
        values = [value if (number := plain_number(value)) is None else number for value in values]
    for place, value in zip(places, values, strict=True):
        if name in _TEXTS and not isinstance(value, str):
            raise InvalidRequest(f"in:{name}: {_what(place)} is {value!r}, not a text")
        if name not in _TEXTS and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise InvalidRequest(f"in:{name}: {_what(place)} is {value!r}, not a number")
        if name not in _ALWAYS_GIVEN and value != values[0]:
            raise InvalidRequest(
                f"in:{name}: {_what(places[0])} is {values[0]!r}, {_what(place)} is {value!r}: "
                "give both the same value, or mark only one of them"
            )
    return values[0]


def _what(place: Place) -> str:
    return f"{place.input} of node {place.node}"


def _specs(graph: Mapping[str, Any], place: Place, object_info: ObjectInfo) -> Iterator[InputSpec]:
    """What the marked input takes; of a node that only holds a number, also what the inputs take that get it."""
    content = graph[place.node]
    own = _inputs(content, object_info).get(place.input)
    if own is not None:
        yield own
    if len(content["inputs"]) > 1:
        return
    for taker in graph.values():
        fed = {key for key, value in taker["inputs"].items() if is_link(value) and value[0] == place.node}
        for spec in _inputs(taker, object_info).values():
            if spec.name in fed and spec.type in ("INT", "FLOAT"):
                yield spec


def _inputs(content: Mapping[str, Any], object_info: ObjectInfo) -> dict[str, InputSpec]:
    return inputs_of(node_of(object_info, content["class_type"]) or {}, content["inputs"])


def _range(specs: list[InputSpec]) -> dict[str, Any]:
    """What all of its places take."""
    least = [value for spec in specs if (value := spec.number("min")) is not None]
    most = [value for spec in specs if (value := spec.number("max")) is not None]
    return {"least": max(least, default=None), "most": min(most, default=None)}


def _rule(specs: list[InputSpec]) -> dict[str, int]:
    """The coarsest step: a length from 1 in steps of 4 is 4n+1."""
    steps = [(int(spec.number("step") or 1), int(spec.number("min") or 0)) for spec in specs]
    step, least = max(steps, default=(1, 0))
    return {"step": step, "offset": least % step} if step > 1 else {}
