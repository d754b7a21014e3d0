"""A user's own graph: its parameters are found by the titles of its nodes.

A title holds one or more markers: `in:prompt`, `in:seed in:steps in:cfg`. A marker stands for the input of that node
that is called so or has the usual name (`noise_seed` for the seed); `in:split=end_at_step` names the input. The same
marker on several nodes sets all of them. Exactly one node is `out:video` or `out:image`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from comfy_workflows.check import name_of
from comfy_workflows.declaration import GraphDeclaration, GraphType, Output, Parameter, ParameterName, Place
from comfy_workflows.graph import GraphTemplate
from comfy_workflows.loaders import model_files
from comfy_workflows.rewire import cut_loose_ends, is_link
from comfy_workflows.schema import InputSpec, ObjectInfo, inputs_of
from studio.contracts.complaint import complaint
from studio.errors import InvalidRequest

USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("text", "prompt", "value", "string"),
    "negative": ("text", "negative_prompt", "value", "string"),
    "image": ("image",),
    "seed": ("seed", "noise_seed", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "length": ("length", "num_frames", "frames", "value"),
    "fps": ("fps", "frame_rate", "value"),
    "steps": ("steps", "value"),
    "cfg": ("cfg", "guidance", "value"),
    "split": (),
}
"""Marker → what the input is usually called; the first one the node has counts."""

_MARKER = re.compile(r"(?<![\w-])(in|out):([a-z]+)(\d*)(?:=(\w+))?", re.IGNORECASE)
_TEXTS = (ParameterName.PROMPT, ParameterName.NEGATIVE)
_NUMBERS = (ParameterName.FPS, ParameterName.CFG)
EXPORT = "open it in ComfyUI and choose Workflow → Export (API)"


class Marker(NamedTuple):
    """One marker of a title: `out:video`, `in:image2`, `in:split=end_at_step`."""

    node: str
    way: str
    what: str
    number: int
    input: str | None


def read_own_graph(text: str | bytes, *, name: str, object_info: ObjectInfo | None = None) -> GraphTemplate:
    """The graph in a file that was exported for the API, ready to be stored and bound.

    With a server's schema the ranges and steps of its nodes count; without it, values are taken as they come.

    Raises:
        InvalidRequest: another format, or markers that are missing, unknown or lead nowhere.
    """
    graph = _api_graph(text)
    markers = [marker for node, content in graph.items() for marker in _markers(node, content)]
    output = _output(graph, [marker for marker in markers if marker.way == "out"])
    graph = cut_loose_ends(graph, output.node)
    inward = [marker for marker in markers if marker.way == "in"]
    for marker in inward:
        if marker.node not in graph:
            raise InvalidRequest(f"in:{marker.what} is on node {marker.node}, which does not lead to the output")
    images = _images(graph, [marker for marker in inward if marker.what == "image"])
    parameters = _parameters(graph, [marker for marker in inward if marker.what != "image"], object_info or {})
    try:
        declaration = GraphDeclaration(
            name=name,
            title=name,
            type=GraphType(f"{'image' if images else 'text'}-to-{output.kind}"),
            output=output,
            parameters=tuple(parameters),
            images=images,
            models=model_files(graph),
        )
    except ValidationError as error:
        raise InvalidRequest(complaint(error)) from None
    return GraphTemplate(declaration=declaration, graph=graph)


def _api_graph(text: str | bytes) -> dict[str, Any]:
    try:
        graph = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise InvalidRequest(f"this file is not JSON: {error}") from None
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise InvalidRequest(
            "this file is a workflow as the editor saves it, with its nodes' places on the screen. A server cannot run "
            f"it; {EXPORT}"
        )
    if not isinstance(graph, dict) or not graph or not all(_is_node(content) for content in graph.values()):
        raise InvalidRequest(f"this file is not a graph in API format (node id → class_type and inputs): {EXPORT}")
    return graph


def _refuse_constant(word: str) -> None:
    raise ValueError(f"{word} is no number")


def _is_node(content: object) -> bool:
    return (
        isinstance(content, dict)
        and isinstance(content.get("class_type"), str)
        and isinstance(content.get("inputs"), dict)
        and isinstance(content.get("_meta", {}), dict)
    )


def _markers(node: str, content: Mapping[str, Any]) -> Iterator[Marker]:
    for way, what, number, wanted in _MARKER.findall(str(content.get("_meta", {}).get("title", ""))):
        marker = Marker(node, way.lower(), what.lower(), int(number or 1), wanted or None)
        known = USUAL if marker.way == "in" else ("video", "image")
        if marker.what not in known or (number and marker.what != "image"):
            raise InvalidRequest(
                f"{name_of(node, content)}: {way}:{what}{number} is no marker; known are "
                f"{', '.join(f'{marker.way}:{word}' for word in known)}"
            )
        yield marker


def _output(graph: Mapping[str, Any], markers: list[Marker]) -> Output:
    if len(markers) != 1:
        found = ", ".join(name_of(marker.node, graph[marker.node]) for marker in markers) or "none"
        raise InvalidRequest(
            f"title exactly one node out:video or out:image, the one that saves the result; found: {found}"
        )
    marker = markers[0]
    prefix = marker.input or "filename_prefix"
    content = graph[marker.node]
    if prefix not in content["inputs"]:
        raise InvalidRequest(
            f"{name_of(marker.node, content)} has no {prefix}: the result has to be saved under a name of ours"
        )
    fps = _only_fps(graph, marker.node) if marker.what == "video" else None
    return Output(node=marker.node, kind="video" if marker.what == "video" else "image", prefix=prefix, fps=fps)


def _only_fps(graph: Mapping[str, Any], output: str) -> float | None:
    """Frames per second, when the nodes before the output agree on it."""
    inputs = [content["inputs"] for content in cut_loose_ends(dict(graph), output).values()]
    said = {float(i[key]) for i in inputs for key in ("fps", "frame_rate") if isinstance(i.get(key), (int, float))}
    return said.pop() if len(said) == 1 else None


def _images(graph: Mapping[str, Any], markers: list[Marker]) -> tuple[Place, ...]:
    ordered = sorted(markers, key=lambda marker: marker.number)
    if [marker.number for marker in ordered] != [*range(1, len(ordered) + 1)]:
        raise InvalidRequest("number the pictures in:image, in:image2, in:image3 …, each once")
    return tuple(_place(graph, marker) for marker in ordered)


def _place(graph: Mapping[str, Any], marker: Marker) -> Place:
    content = graph[marker.node]
    inputs = content["inputs"]
    wanted = (marker.input,) if marker.input else USUAL[marker.what]
    found = next((name for name in wanted if name in inputs), None)
    where = name_of(marker.node, content)
    if found is None:
        named = f"in:{marker.what}=…"
        raise InvalidRequest(
            f"{where} has no input {' or '.join(wanted) or 'that is meant'}: name it as {named}, of {', '.join(inputs)}"
        )
    if is_link(inputs[found]):
        raise InvalidRequest(f"{where}: {found} comes from node {inputs[found][0]}; put in:{marker.what} there")
    return Place(node=marker.node, input=found)


def _parameters(graph: Mapping[str, Any], markers: list[Marker], object_info: ObjectInfo) -> Iterator[Parameter]:
    for name in ParameterName:
        places = tuple(_place(graph, marker) for marker in markers if marker.what == name)
        if places:
            yield _parameter(graph, name, places, object_info)


def _parameter(
    graph: Mapping[str, Any], name: ParameterName, places: tuple[Place, ...], object_info: ObjectInfo
) -> Parameter:
    default = graph[places[0].node]["inputs"][places[0].input]
    if name in _TEXTS:
        return Parameter(name=name, places=places, type="text", default=str(default))
    if isinstance(default, bool) or not isinstance(default, (int, float)):
        raise InvalidRequest(f"in:{name}: {places[0].input} of node {places[0].node} is {default!r}, not a number")
    specs = [spec for place in places if (spec := _spec(graph, place, object_info)) is not None]
    if name in _NUMBERS and not any(spec.type == "INT" for spec in specs):
        return Parameter(name=name, places=places, type="number", default=default, **_range(specs))
    return Parameter(name=name, places=places, type="integer", default=int(default), **_range(specs), **_rule(specs))


def _spec(graph: Mapping[str, Any], place: Place, object_info: ObjectInfo) -> InputSpec | None:
    content = graph[place.node]
    return inputs_of(object_info.get(content["class_type"], {}), content["inputs"]).get(place.input)


def _range(specs: list[InputSpec]) -> dict[str, Any]:
    """What all of its places take."""
    least = [spec.options["min"] for spec in specs if "min" in spec.options]
    most = [spec.options["max"] for spec in specs if "max" in spec.options]
    return {"least": max(least, default=None), "most": min(most, default=None)}


def _rule(specs: list[InputSpec]) -> dict[str, int]:
    """The coarsest step: a length from 1 in steps of 4 is 4n+1."""
    steps = [(int(spec.options.get("step", 1)), int(spec.options.get("min", 0))) for spec in specs]
    step, least = max(steps, default=(1, 0))
    return {"step": step, "offset": least % step} if step > 1 else {}
