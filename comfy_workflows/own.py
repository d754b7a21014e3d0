"""A user's own graph: its parameters are found by the titles of its nodes.

A title holds one or more markers: `in:prompt`, `in:seed in:steps in:cfg`. A marker stands for the input of that node
that is called so or has the usual name (`noise_seed` for the seed); `in:split=end_at_step` names the input. The same
marker on several nodes sets all of them. Exactly one node is `out:video` or `out:image`.
"""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from comfy_workflows.check import name_of
from comfy_workflows.declaration import GraphDeclaration, GraphType, Kind, Output, Place
from comfy_workflows.graph import GraphTemplate
from comfy_workflows.graph_file import GraphFile, read_graph_file
from comfy_workflows.known_nodes import KNOWN
from comfy_workflows.lengths import RATES, rate_of, rate_places, with_lengths
from comfy_workflows.loaders import model_files
from comfy_workflows.markers import Marker, markers_of
from comfy_workflows.own_parameters import parameters_of, place_of
from comfy_workflows.resized import ensure_eight_bits, ensure_kept
from comfy_workflows.rewire import Graph, cut_loose_ends, is_link
from comfy_workflows.savers import ensure_saves
from comfy_workflows.schema import ObjectInfo
from studio.contracts.complaint import complaint
from studio.errors import InvalidRequest


def read_own_graph(text: str | bytes, *, name: str, object_info: ObjectInfo | None = None) -> GraphTemplate:
    """The graph in a file that was exported for the API, ready to be stored and bound.

    With a server's schema the ranges and steps of its nodes count; without it, those of the nodes known here, and of
    all others values are taken as they come.

    Raises:
        InvalidRequest: another format, markers that are missing, unknown or lead nowhere, or a result that could not
            be what was asked for.
    """
    _ensure_name(name)
    graph, output, inward = _marked(read_graph_file(text))
    images = _images(graph, [marker for marker in inward if marker.what == "image"])
    graph = cut_loose_ends(graph, output.node)
    schema = object_info or KNOWN
    parameters = parameters_of(graph, [one for one in inward if one.what != "image"], schema)
    ensure_kept(graph, parameters)
    if output.kind == "video":
        ensure_eight_bits(graph)
    output = with_lengths(graph, output, parameters, schema)
    try:
        declaration = GraphDeclaration(
            name=name,
            title=name,
            type=GraphType(f"{'image' if images else 'text'}-to-{output.kind}"),
            output=output,
            parameters=parameters,
            images=images,
            models=model_files(graph),
        )
    except ValidationError as error:
        raise InvalidRequest(complaint(error)) from None
    return GraphTemplate(declaration=declaration, graph=graph)


def _ensure_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name):
        raise InvalidRequest(
            f"name: {name!r} has something else than letters without accents, digits, - and _, or more than 100 of "
            "them; give it another name, --name"
        )


def _marked(read: GraphFile) -> tuple[Graph, Output, list[Marker]]:
    """The graph, cut to what leads to its output, and the markers of what goes in."""
    markers = [marker for node, content in read.graph.items() for marker in markers_of(node, content)]
    for marker in markers:
        if marker.node in read.broken:
            raise InvalidRequest(f"{name_of(marker.node, read.graph[marker.node])}: {read.broken[marker.node]}")
    output = _output(read.graph, [marker for marker in markers if marker.way == "out"])
    graph = cut_loose_ends(read.graph, output.node)
    _ensure_whole(graph, read.broken)
    inward = [marker for marker in markers if marker.way == "in"]
    for marker in inward:
        if marker.node not in graph:
            raise InvalidRequest(f"in:{marker.what} is on node {marker.node}, which does not lead to the output")
    return graph, output, inward


def _output(graph: Mapping[str, Any], markers: list[Marker]) -> Output:
    if len(markers) != 1:
        found = ", ".join(name_of(marker.node, graph[marker.node]) for marker in markers) or "none"
        raise InvalidRequest(
            f"title exactly one node out:video or out:image, the one that saves the result; found: {found}"
        )
    marker = markers[0]
    kind: Kind = "video" if marker.what == "video" else "image"
    prefix = marker.input or "filename_prefix"
    content = graph[marker.node]
    if prefix not in content["inputs"]:
        raise InvalidRequest(
            f"{name_of(marker.node, content)} has no {prefix}: the result has to be saved under a name of ours"
        )
    ensure_saves(kind, content, name_of(marker.node, content))
    return Output(
        node=marker.node,
        kind=kind,
        prefix=prefix,
        fps=_only_fps(graph, marker.node) if kind == "video" else None,
    )


def _ensure_whole(graph: Graph, broken: Mapping[str, str]) -> None:
    """Every node that leads to the output can be run, and every link leads to a node."""
    for node, content in graph.items():
        name = name_of(node, content)
        if node in broken:
            raise InvalidRequest(f"{name}: {broken[node]}")
        for key, value in content["inputs"].items():
            if is_link(value) and value[0] not in graph:
                raise InvalidRequest(f"{name}: {key} comes from node {value[0]}, which is not in this file")


def _only_fps(graph: Mapping[str, Any], output: str) -> float | None:
    """Frames per second: what is said nearest before the output, else where all nodes before it agree."""
    if (rate := rate_of(graph, rate_places(graph, output))) is not None:
        return rate
    inputs = [content["inputs"] for content in cut_loose_ends(dict(graph), output).values()]
    said = {float(i[key]) for i in inputs for key in RATES if isinstance(i.get(key), (int, float))}
    return said.pop() if len(said) == 1 and not rate_places(graph, output) else None


def _images(graph: Graph, markers: list[Marker]) -> tuple[Place, ...]:
    """Where the pictures go. What takes from a second node of the same picture takes from the first one instead."""
    places: dict[int, Place] = {}
    for marker in sorted(markers, key=lambda marker: marker.number):
        place = place_of(graph, marker)
        first = places.setdefault(marker.number, place)
        if first == place:
            continue
        if graph[first.node]["class_type"] != graph[place.node]["class_type"] or first.input != place.input:
            raise InvalidRequest(
                f"{name_of(first.node, graph[first.node])} and {name_of(place.node, graph[place.node])} load the same "
                "picture: mark one of them and let all others take it from there; another picture is in:image2"
            )
        _take_from(graph, place.node, first.node)
    if list(places) != [*range(1, len(places) + 1)]:
        raise InvalidRequest("number the pictures in:image, in:image2, in:image3 …, without a gap")
    return tuple(places.values())


def _take_from(graph: Graph, old: str, new: str) -> None:
    for content in graph.values():
        for name, value in content["inputs"].items():
            if is_link(value) and value[0] == old:
                content["inputs"][name] = [new, value[1]]
