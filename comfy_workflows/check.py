"""Would a server take this graph? Checked against its own node schema, before anything is sent.

It finds what a server finds, in words people read, and what a server lets pass: unknown inputs, a second output that
is silently skipped. Uploaded files are not looked for.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
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
    MissingUpload,
    NotAGraph,
    NothingSaved,
    UnknownInput,
    none_of,
)
from comfy_workflows.declaration import Place
from comfy_workflows.editor_nodes import NO_CLASS
from comfy_workflows.loaders import FOLDERS, files_named, folder_of
from comfy_workflows.rewire import is_link
from comfy_workflows.schema import (
    ANYTHING,
    CHOICE,
    CHOICE_WITH_INPUTS,
    TAKES_EVERYTHING,
    InputSpec,
    ObjectInfo,
    inputs_of,
    is_custom,
    node_of,
    outputs_of,
)
from comfy_workflows.spelling import as_listed, listed_files, plain_path

_SOCKETS = frozenset(
    "MODEL CLIP VAE CONDITIONING LATENT IMAGE MASK VIDEO AUDIO NOISE GUIDER SAMPLER SIGMAS CLIP_VISION "
    "CLIP_VISION_OUTPUT CONTROL_NET STYLE_MODEL UPSCALE_MODEL WAN_CAMERA_EMBEDDING".split()
)
"""Types that only another node can give."""

_OTHER_FOLDERS = ("[output]", "[temp]")
"""End the name of a file that does not lie in the server's input folder."""


@dataclass(frozen=True)
class _Node:
    """The node that is looked at."""

    id: str
    name: str
    class_type: str
    custom: bool
    """Its class may check its values itself."""


def check_graph(graph: Mapping[str, Any], object_info: ObjectInfo) -> list[Complaint]:
    """Everything that is wrong with a graph in API format on the server that this schema is of."""
    malformed = list(_malformed(graph))
    if malformed:
        return malformed
    found = [complaint for node in graph for complaint in _about_node(node, graph, object_info)]
    return [*found, *_about_whole(graph, object_info)]


def serious(found: Iterable[Complaint]) -> list[Complaint]:
    """Those that every server refuses; the others are remarks."""
    return [complaint for complaint in found if complaint.certain]


def missing_uploads(
    graph: Mapping[str, Any], object_info: ObjectInfo, given_later: Iterable[Place]
) -> list[MissingUpload]:
    """Files of the server's input folder that it does not have; those at `given_later` will be uploaded."""
    later = {(place.node, place.input) for place in given_later}
    return [
        MissingUpload(node, name_of(node, content), spec.name, str(value))
        for node, content in graph.items()
        for spec in inputs_of(node_of(object_info, content["class_type"]) or {}, content["inputs"]).values()
        if spec.uploads is not None and (node, spec.name) not in later
        for value in [content["inputs"].get(spec.name)]
        if isinstance(value, str) and value not in spec.uploads and not value.endswith(_OTHER_FOLDERS)
    ]


def name_of(node: str, content: Mapping[str, Any]) -> str:
    """How people know a node: `node 86 "high noise pass" (KSamplerAdvanced)`."""
    meta = content.get("_meta")
    title = meta.get("title") if isinstance(meta, Mapping) else None
    class_type = f" ({content['class_type']})" if content["class_type"] else ""
    return f'node {node} "{title}"{class_type}' if title else f"node {node}{class_type}"


def _malformed(graph: Mapping[str, Any]) -> Iterator[Complaint]:
    if not graph:
        yield NotAGraph("", "", "the graph has no nodes")
    for node, content in graph.items():
        if isinstance(content, Mapping) and "class_type" in content and not content["class_type"]:
            yield NotAGraph(str(node), name_of(node, content), NO_CLASS)
        elif not isinstance(content, Mapping) or not isinstance(content.get("class_type"), str):
            yield NotAGraph(str(node), f"node {node}", "has no class_type: this is not a graph in API format")
        elif not isinstance(content.get("inputs"), Mapping):
            yield NotAGraph(str(node), f"node {node}", "has no inputs: this is not a graph in API format")


def _about_whole(graph: Mapping[str, Any], object_info: ObjectInfo) -> Iterator[Complaint]:
    classes = [node_of(object_info, content["class_type"]) for content in graph.values()]
    if all(node is not None and not node.get("output_node") for node in classes):
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
    schema = node_of(object_info, content["class_type"])
    if schema is None:
        yield MissingNode(node, name, content["class_type"])
        return
    at = _Node(node, name, content["class_type"], is_custom(schema))
    specs = inputs_of(schema, given)
    for spec in specs.values():
        if spec.required and not spec.grows and spec.name not in given:
            yield MissingInput(node, name, spec.name)
    growing = tuple(f"{spec.name}." for spec in specs.values() if spec.grows)
    for key, value in given.items():
        if key in specs and is_link(value):
            yield from _about_link(at, specs[key], value, graph, object_info)
        elif at.class_type in TAKES_EVERYTHING:
            continue
        elif key in specs:
            yield from _about_value(at, specs[key], _unwrapped(value))
        elif not key.startswith(growing) and not (at.custom and _may_be_read(key, value)):
            yield UnknownInput(node, name, key)
    yield from _about_unlisted_files(at, given, specs, object_info)


def _may_be_read(key: str, value: object) -> bool:
    """Custom nodes whose inputs grow in the editor read what their schema does not list: `lora_1`, rows, headings."""
    return key[-1:].isdigit() or not key.isidentifier() or (isinstance(value, (Mapping, list)) and not is_link(value))


def _about_unlisted_files(
    at: _Node, given: Mapping[str, Any], specs: Mapping[str, InputSpec], object_info: ObjectInfo
) -> Iterator[Complaint]:
    """Model files in inputs that the schema does not describe: such a node leaves out what it does not find."""
    for file in files_named(at.class_type, given):
        spec = specs.get(file.key)
        listed = listed_files(object_info, file.folder) if file.folder and (not spec or spec.choices is None) else []
        if listed and plain_path(file.name) not in map(plain_path, listed):
            other = _same_file(file.name, tuple(listed))
            if other is None or not at.custom:  # custom stacks find a file by its last name
                yield MissingModel(at.id, at.name, file.key, file.folder, file.name, other)


def _about_link(
    at: _Node, spec: InputSpec, link: list[Any], graph: Mapping[str, Any], object_info: ObjectInfo
) -> Iterator[Complaint]:
    source, slot = link
    if source not in graph:
        yield BadLink(at.id, at.name, spec.name, f"comes from node {source}, which is not there")
        return
    schema = node_of(object_info, graph[source]["class_type"])
    if schema is None:
        return
    outputs = outputs_of(schema)
    if not 0 <= slot < len(outputs):
        words = f"comes from output {slot} of node {source}, which has {len(outputs)}"
        yield BadLink(at.id, at.name, spec.name, words)
    elif not _fits(outputs[slot], spec):
        yield BadLink(at.id, at.name, spec.name, f"takes {spec.type}, node {source} gives {outputs[slot]}")


def _fits(output: str, spec: InputSpec) -> bool:
    """Have the two a type in common? Each may name several, with commas between."""
    if spec.takes_anything or spec.grows or output in ANYTHING:
        return True
    wanted = CHOICE if spec.type == CHOICE_WITH_INPUTS else spec.type
    given, taken = ({part.strip() for part in types.split(",")} for types in (output, wanted))
    return "*" in given | taken or not given.isdisjoint(taken)


def _unwrapped(value: object) -> object:
    """A list as the value of an input is wrapped, so that it is not taken for a link."""
    return value["__value__"] if isinstance(value, Mapping) and "__value__" in value else value


def _about_value(at: _Node, spec: InputSpec, value: object) -> Iterator[Complaint]:
    if spec.choices is not None:
        yield from _about_choice(at, spec, spec.choices, value)
    elif spec.type in _SOCKETS:
        yield InvalidValue(at.id, at.name, spec.name, value, "must come from another node")
    elif spec.type in ("INT", "FLOAT"):
        number = _read_number(value)
        if number is None or (spec.type == "INT" and number != int(number)):
            words = "is not a whole number" if spec.type == "INT" else "is not a number"
            yield InvalidValue(at.id, at.name, spec.name, value, words)
        elif reason := _out_of_range(spec, number):
            yield InvalidValue(at.id, at.name, spec.name, value, reason, certain=not at.custom)
    elif spec.type == "STRING" and not isinstance(value, (str, int, float)):
        yield InvalidValue(at.id, at.name, spec.name, value, "is not a text")
    elif spec.type == "BOOLEAN" and value not in (True, False):
        yield InvalidValue(at.id, at.name, spec.name, value, "is neither true nor false")


def _about_choice(at: _Node, spec: InputSpec, choices: tuple[object, ...], value: object) -> Iterator[Complaint]:
    # Loaders we know take what they list, also those from outside ComfyUI.
    certain = not at.custom or (at.class_type, spec.name) in FOLDERS
    for one in value if isinstance(value, list) else [value]:
        if one in choices or as_listed(one, choices) is not None:
            continue
        loader = (at.class_type, spec.name) in FOLDERS
        if not choices and not loader and folder_of(at.class_type, spec.name, one) is None:
            continue  # an empty list is filled in the editor, or says nothing
        folder = folder_of(at.class_type, spec.name, one)
        if folder is None:
            yield InvalidValue(at.id, at.name, spec.name, one, none_of(choices), certain=certain)
        else:
            listed_as = _same_file(str(one), choices)
            yield MissingModel(at.id, at.name, spec.name, folder, str(one), listed_as, certain=certain)


def _out_of_range(spec: InputSpec, number: float) -> str | None:
    least, most = spec.number("min"), spec.number("max")
    if least is not None and number < least:
        return f"is less than {least}"
    if most is not None and number > most:
        return f"is more than {most}"
    return None


def _read_number(value: object) -> int | float | None:
    """Numbers as texts are taken, as a server takes them."""
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
