"""How long the clips of a user's own graph are: which numbers lead to its frames and to its frames per second.

Today's templates of ComfyUI compute the frames: a duration in seconds goes through arithmetic into `length`. So a
marked number is followed to where it arrives, and what the graph makes of it is computed, when the graph is added and
again for every order. What cannot be computed is refused: seconds taken for frames made 1,281 frames of five seconds.
"""

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from comfy_workflows.check import name_of
from comfy_workflows.computed import NotComputable, holds_a_number, makes_numbers, number_of
from comfy_workflows.declaration import FramesPlace, Output, Parameter, ParameterName, Place
from comfy_workflows.rewire import Graph, is_link, put
from comfy_workflows.schema import ObjectInfo, inputs_of, node_of
from studio.errors import InvalidRequest

NAMES = ParameterName
LENGTHS = (
    "length",
    "num_frames",
    "frames",
    "frame_count",
    "frames_number",
    "frames_count",
    "video_frames",
    "num_video_frames",
    "video_length",
)
"""What nodes call a length in frames."""
RATES = ("fps", "frame_rate")
"""What nodes call frames per second."""
TOLERANCE = 0.6
"""Seconds that a clip may differ from the duration it is computed of: one frame more, multiples of 4 or 8."""


def arrivals(graph: Mapping[str, Any], node: str, names: Sequence[str]) -> tuple[Place, ...]:
    """The inputs of these names at which a node's number arrives, as it is or computed into another one."""
    found: dict[tuple[str, str], None] = {}
    todo, seen = [node], {node}
    while todo:
        source = todo.pop()
        for taker, content in graph.items():
            for key in [key for key, value in content["inputs"].items() if is_link(value) and value[0] == source]:
                if key.rpartition(".")[2] in names:
                    found[taker, key] = None
                elif taker not in seen and makes_numbers(content):
                    seen.add(taker)
                    todo.append(taker)
    return tuple(Place(node=taker, input=key) for taker, key in found)


def rate_places(graph: Mapping[str, Any], output: str) -> tuple[Place, ...]:
    """Where the frames per second of the file are said: at the output, or at the nodes nearest before it."""
    level, seen = [output], {output}
    while level:
        found = [Place(node=node, input=key) for node in level for key in RATES if key in graph[node]["inputs"]]
        if found:
            return tuple(found)
        links = [value[0] for node in level for value in graph[node]["inputs"].values() if is_link(value)]
        level = [node for node in dict.fromkeys(links) if node in graph and node not in seen]
        seen.update(level)
    return ()


def rate_of(graph: Mapping[str, Any], places: Iterable[Place]) -> float | None:
    """Frames per second, where all of these say the same and it can be computed."""
    try:
        said = {float(number_of(graph, graph[place.node]["inputs"][place.input])) for place in places}
    except NotComputable:
        return None
    return said.pop() if len(said) == 1 else None


def frames_of(graph: Mapping[str, Any], places: Iterable[FramesPlace]) -> int:
    """The frames that the graph makes: the fewest, where several nodes are told different lengths.

    Raises:
        NotComputable: a node makes the number in a way that is not known.
    """
    return min(_rounded(number_of(graph, graph[place.node]["inputs"][place.input]), place) for place in places)


def _rounded(number: float, place: FramesPlace) -> int:
    whole = math.floor(number)
    return whole - (whole - place.offset) % place.step


# ── when a graph is added ────────────────────────────────────────────────


def with_lengths(graph: Graph, output: Output, parameters: Sequence[Parameter], object_info: ObjectInfo) -> Output:
    """The output, with the places where the length and the frames per second arrive that the graph computes.

    Raises:
        InvalidRequest: a marked number does not mean what its marker says, or what becomes of it is not known.
    """
    by_name = {parameter.name: parameter for parameter in parameters}
    if output.kind != "video":
        if NAMES.SECONDS in by_name:
            raise InvalidRequest("in:seconds is the length of a clip, and this graph makes pictures: take it away")
        return output
    rates = _rates(graph, output, by_name.get(NAMES.FPS))
    rate = rate_of(graph, rates) or output.fps
    frames: tuple[FramesPlace, ...] = ()
    if NAMES.SECONDS in by_name and NAMES.LENGTH in by_name:
        raise InvalidRequest("mark the clip's length once: in:seconds or in:length")
    if seconds := by_name.get(NAMES.SECONDS):
        frames = _of_seconds(graph, seconds, rate, object_info)
    elif length := by_name.get(NAMES.LENGTH):
        frames = _of_length(graph, length, rate, object_info)
    computed = any(is_link(graph[place.node]["inputs"][place.input]) for place in rates)
    return output.model_copy(update={"frames": frames, "rates": rates if computed else ()})


def _of_seconds(
    graph: Graph, parameter: Parameter, rate: float | None, object_info: ObjectInfo
) -> tuple[FramesPlace, ...]:
    node = name_of(parameter.places[0].node, graph[parameter.places[0].node])
    places = _frames_places(graph, parameter, object_info)
    if not places:
        raise InvalidRequest(f"in:seconds: {node} leads to no length in frames; mark the frames themselves, in:length")
    made = _computed(graph, parameter, places)
    if rate is None:
        raise InvalidRequest(
            f"in:seconds: how many frames the graph shows per second cannot be computed: title the number in:fps "
            f"that leads to {' or '.join(RATES)}"
        )
    said = float(parameter.default) if isinstance(parameter.default, (int, float)) else 0.0
    if abs(made / rate - said) > max(TOLERANCE, said / 10):
        instead = "; it is a number of frames, title it in:length" if made == said else ""
        raise InvalidRequest(
            f"in:seconds: {node} says {said:g}, and the graph makes {made} frames of it, {made / rate:.1f} s at "
            f"{rate:g} per second{instead}"
        )
    return places


def _of_length(
    graph: Graph, parameter: Parameter, rate: float | None, object_info: ObjectInfo
) -> tuple[FramesPlace, ...]:
    places = _frames_places(graph, parameter, object_info)
    if not places or _as_it_is(graph, parameter, places):
        return ()
    made, said = _computed(graph, parameter, places), parameter.default
    if made == said:
        return places
    node = name_of(parameter.places[0].node, graph[parameter.places[0].node])
    assert isinstance(said, (int, float))
    cure = (
        "it is the clip's length in seconds, title it in:seconds"
        if rate and abs(made / rate - said) <= max(TOLERANCE, said / 10)
        else "title the node in:length that holds the frames themselves"
    )
    raise InvalidRequest(f"in:length: {node} says {said:g}, and the graph makes {made} frames of it: {cure}")


def _rates(graph: Graph, output: Output, parameter: Parameter | None) -> tuple[Place, ...]:
    """Where the file's frames per second are said; the marked number has to be what arrives there."""
    places = rate_places(graph, output.node)
    if parameter is None or not places:
        return places
    node, said = name_of(parameter.places[0].node, graph[parameter.places[0].node]), parameter.default
    assert isinstance(said, (int, float))
    try:
        for value in (said, said + 8):
            trial = _with(graph, parameter, value)
            for place in places:
                made = number_of(trial, trial[place.node]["inputs"][place.input])
                if abs(made - value) > 0.01:
                    where = f"{place.input} of {name_of(place.node, graph[place.node])}"
                    raise InvalidRequest(
                        f"in:fps: {node} is set to {value:g}, and {where} is {made:g}, which is what the clip has: "
                        "title the number in:fps that arrives there"
                    )
    except NotComputable as unknown:
        raise InvalidRequest(_not_known(graph, "fps", node, unknown, "frames per second")) from None
    return places


def _frames_places(graph: Graph, parameter: Parameter, object_info: ObjectInfo) -> tuple[FramesPlace, ...]:
    found = dict.fromkeys(place for marked in parameter.places for place in arrivals(graph, marked.node, LENGTHS))
    return tuple(_frames_place(graph, place, object_info) for place in found)


def _frames_place(graph: Graph, place: Place, object_info: ObjectInfo) -> FramesPlace:
    content = graph[place.node]
    specs = inputs_of(node_of(object_info, content["class_type"]) or {}, content["inputs"])
    spec = specs.get(place.input)
    step = max(int((spec.number("step") if spec else None) or 1), 1)
    least = int((spec.number("min") if spec else None) or 0)
    return FramesPlace(node=place.node, input=place.input, step=step, offset=least % step)


def _as_it_is(graph: Graph, parameter: Parameter, places: Iterable[FramesPlace]) -> bool:
    """Does the marked number itself arrive everywhere, without anything computed of it?"""
    marked = {place.node for place in parameter.places}
    return all(graph[place.node]["inputs"][place.input][0] in marked for place in places) and all(
        holds_a_number(graph[node]) for node in marked
    )


def _computed(graph: Graph, parameter: Parameter, places: tuple[FramesPlace, ...]) -> int:
    try:
        return frames_of(graph, places)
    except NotComputable as unknown:
        marked = parameter.places[0].node
        node = name_of(marked, graph[marked])
        raise InvalidRequest(_not_known(graph, parameter.name, node, unknown, "length")) from None


def _not_known(graph: Graph, marker: str, node: str, unknown: NotComputable, what: str) -> str:
    computing = name_of(unknown.node, graph[unknown.node]) if unknown.node in graph else "another node"
    return (
        f"in:{marker}: {node} reaches the {what} only through {computing}, and what that makes of it is not known "
        f"here: put the number itself where the {what} is needed, and the marker there"
    )


def _with(graph: Graph, parameter: Parameter, value: float) -> Graph:
    trial = copy.deepcopy(graph)
    for place in parameter.places:
        put(trial, place, value)
    return trial
