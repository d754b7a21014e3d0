"""Would a server take this graph? Checked against its own node schema, before anything is sent.

It finds what a server finds, in words people read, and what a server lets pass: unknown inputs, a second output that
is silently skipped. Uploaded files are not looked for.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from comfy_workflows.complaints import (
    BadLink,
    Complaint,
    GoesInCircles,
    InvalidValue,
    MissingInput,
    MissingModel,
    MissingNode,
    NotAGraph,
    NothingSaved,
    UnknownInput,
    none_of,
)
from comfy_workflows.loaders import folder_of
from comfy_workflows.rewire import is_link
from comfy_workflows.schema import (
    ANYTHING,
    CHOICE,
    CHOICE_WITH_INPUTS,
    InputSpec,
    ObjectInfo,
    inputs_of,
    outputs_of,
)

_SOCKETS = frozenset(
    "MODEL CLIP VAE CONDITIONING LATENT IMAGE MASK VIDEO AUDIO NOISE GUIDER SAMPLER SIGMAS CLIP_VISION "
    "CLIP_VISION_OUTPUT CONTROL_NET STYLE_MODEL UPSCALE_MODEL WAN_CAMERA_EMBEDDING".split()
)
"""Types that only another node can give."""


def check_graph(graph: Mapping[str, Any], object_info: ObjectInfo) -> list[Complaint]:
    """Everything that is wrong with a graph in API format on the server that this schema is of."""
    malformed = list(_malformed(graph))
    if malformed:
        return malformed
    found = [complaint for node in graph for complaint in _about_node(node, graph, object_info)]
    return [*found, *_about_whole(graph, object_info)]


def serious(found: Iterable[Complaint]) -> list[Complaint]:
    """Without inputs nobody knows: servers ignore these, and some nodes read such inputs all the same."""
    return [complaint for complaint in found if not isinstance(complaint, UnknownInput)]


def name_of(node: str, content: Mapping[str, Any]) -> str:
    """How people know a node: `node 86 "high noise pass" (KSamplerAdvanced)`."""
    title = content.get("_meta", {}).get("title")
    return f'node {node} "{title}" ({content["class_type"]})' if title else f"node {node} ({content['class_type']})"


def _malformed(graph: Mapping[str, Any]) -> Iterator[Complaint]:
    if not graph:
        yield NotAGraph("", "", "the graph has no nodes")
    for node, content in graph.items():
        if not isinstance(content, Mapping) or not isinstance(content.get("class_type"), str):
            yield NotAGraph(str(node), f"node {node}", "has no class_type: this is not a graph in API format")
        elif not isinstance(content.get("inputs"), Mapping):
            yield NotAGraph(str(node), f"node {node}", "has no inputs: this is not a graph in API format")


def _about_whole(graph: Mapping[str, Any], object_info: ObjectInfo) -> Iterator[Complaint]:
    known = [object_info[content["class_type"]] for content in graph.values() if content["class_type"] in object_info]
    if len(known) == len(graph) and not any(node.get("output_node") for node in known):
        yield NothingSaved("", "")
    sources = {
        node: {value[0] for value in content["inputs"].values() if is_link(value)} for node, content in graph.items()
    }
    try:
        TopologicalSorter(sources).prepare()
    except CycleError as error:
        yield GoesInCircles("", "", tuple(error.args[1]))


def _about_node(node: str, graph: Mapping[str, Any], object_info: ObjectInfo) -> Iterator[Complaint]:
    content = graph[node]
    name, given = name_of(node, content), content["inputs"]
    schema = object_info.get(content["class_type"])
    if schema is None:
        yield MissingNode(node, name, content["class_type"])
        return
    specs = inputs_of(schema, given)
    for spec in specs.values():
        if spec.required and not spec.grows and spec.name not in given:
            yield MissingInput(node, name, spec.name)
    growing = tuple(f"{spec.name}." for spec in specs.values() if spec.grows)
    for key, value in given.items():
        if key in specs and is_link(value):
            yield from _about_link(node, name, specs[key], value, graph, object_info)
        elif key in specs:
            yield from _about_value(node, name, content["class_type"], specs[key], value)
        elif not key.startswith(growing):
            yield UnknownInput(node, name, key)


def _about_link(
    node: str, name: str, spec: InputSpec, link: list[Any], graph: Mapping[str, Any], object_info: ObjectInfo
) -> Iterator[Complaint]:
    source, slot = link
    if source not in graph:
        yield BadLink(node, name, spec.name, f"comes from node {source}, which is not there")
        return
    schema = object_info.get(graph[source]["class_type"])
    if schema is None:
        return
    outputs = outputs_of(schema)
    if not 0 <= slot < len(outputs):
        yield BadLink(node, name, spec.name, f"comes from output {slot} of node {source}, which has {len(outputs)}")
    elif not _fits(outputs[slot], spec):
        yield BadLink(node, name, spec.name, f"takes {spec.type}, node {source} gives {outputs[slot]}")


def _fits(output: str, spec: InputSpec) -> bool:
    if spec.takes_anything or spec.grows or output in ANYTHING:
        return True
    wanted = CHOICE if spec.type == CHOICE_WITH_INPUTS else spec.type
    return not {*output.split(",")}.isdisjoint(wanted.split(","))


def _about_value(node: str, name: str, class_type: str, spec: InputSpec, value: object) -> Iterator[Complaint]:
    if spec.choices is not None:
        wrong = [one for one in (value if isinstance(value, list) else [value]) if one not in spec.choices]
        for one in wrong:
            folder = folder_of(class_type, spec.name, one)
            if folder is None:
                yield InvalidValue(node, name, spec.name, one, none_of(spec.choices))
            else:
                yield MissingModel(node, name, spec.name, folder, str(one), _same_file(str(one), spec.choices))
    elif spec.type in _SOCKETS:
        yield InvalidValue(node, name, spec.name, value, "must come from another node")
    elif spec.type in ("INT", "FLOAT"):
        reason = _about_number(spec, value)
        if reason:
            yield InvalidValue(node, name, spec.name, value, reason)
    elif spec.type == "STRING" and not isinstance(value, (str, int, float)):
        yield InvalidValue(node, name, spec.name, value, "is not a text")
    elif spec.type == "BOOLEAN" and value not in (True, False):
        yield InvalidValue(node, name, spec.name, value, "is neither true nor false")


def _about_number(spec: InputSpec, value: object) -> str | None:
    """Numbers as texts are taken, as a server takes them."""
    whole = spec.type == "INT"
    number = _read_number(value)
    if number is None or (whole and number != int(number)):
        return "is not a whole number" if whole else "is not a number"
    least, most = spec.options.get("min"), spec.options.get("max")
    if least is not None and number < least:
        return f"is less than {least}"
    if most is not None and number > most:
        return f"is more than {most}"
    return None


def _read_number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, int):
        return value
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _same_file(name: str, choices: tuple[object, ...]) -> str | None:
    """A choice that is the same file in another subfolder."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return next((str(one) for one in choices if str(one).replace("\\", "/").rsplit("/", 1)[-1] == last), None)
