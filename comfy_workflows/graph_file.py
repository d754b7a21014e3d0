"""A file with a graph in API format, as people have them: exported, cut out of a request, written by a script.

What only wraps the graph is taken off, what is no node is left out, and spellings that no server takes, but that mean
only one thing (a node id as a number in a link, a number as text), are corrected. Whatever else is wrong is named by
node and key.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from comfy_workflows.editor_nodes import NO_CLASS, editor_only
from comfy_workflows.rewire import Graph
from studio.errors import InvalidRequest

EXPORT = "open it in ComfyUI and choose Workflow → Export (API)"
DEEPEST = 64
"""Lists and objects within each other in a file; a graph needs five or six."""
MOST_WRAPPINGS = 4
"""Objects and lists around the graph: `{"input": {"workflow": …}}` are two."""
MOST_DIGITS = 300
"""Of a whole number; a longer one is none that any node takes."""
MOST_SIBLINGS = 2_000
"""Values of one object or list that are searched for a graph."""

_WRAPPINGS = ("inputs",)
_NOT_A_GRAPH = f"this file is not a graph in API format (node id → class_type and inputs): {EXPORT}"
_SAVED = (
    "this file is a workflow as the editor saves it, with its nodes' places on the screen. A server cannot run it; "
    f"{EXPORT}"
)


@dataclass
class GraphFile:
    """What a file holds."""

    graph: Graph
    broken: dict[str, str] = field(default_factory=dict)
    """Node → what is wrong with it. It matters only when the node leads to the output."""


class _Object(dict[str, Any]):
    """An object of the file, and the keys that stand in it twice."""

    twice: tuple[str, ...] = ()


def read_graph_file(text: str | bytes) -> GraphFile:
    """The one graph in a file.

    Raises:
        InvalidRequest: the file is no JSON, holds no graph or several, or the same key twice.
    """
    content = _parsed(text)
    if _is_too_deep(content):
        raise InvalidRequest(_NOT_A_GRAPH)
    _ensure_single_keys(content)
    graph = _unwrapped(content)
    nodes = {node: one for node, one in graph.items() if _is_node(one)}
    if not any(isinstance(one.get("inputs"), dict) for one in nodes.values()):
        raise InvalidRequest(_NOT_A_GRAPH)
    read = GraphFile({})
    for node, one in nodes.items():
        read.graph[node], reason = _node(one, nodes)
        if reason:
            read.broken[node] = reason
    return read


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_int=_whole_number)
    except ValueError as error:
        raise InvalidRequest(f"this file is not JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest(_NOT_A_GRAPH) from None


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        made.twice = tuple(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
    return made


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else math.inf


def _is_too_deep(content: object) -> bool:
    level = [content]
    for _ in range(DEEPEST):
        level = [inner for one in level for inner in _parts(one)]
    return bool(level)


def _parts(content: object) -> list[Any]:
    if isinstance(content, dict):
        return list(content.values())
    return content if isinstance(content, list) else []


def _ensure_single_keys(content: object, path: tuple[str, ...] = ()) -> None:
    """A second value of a key silently replaces the first one: nodes and settings would be lost."""
    if isinstance(content, _Object) and content.twice:
        where = "".join(f"{part}: " for part in path if part not in _WRAPPINGS)
        twice = content.twice[0]
        what = f"node {twice}" if _is_node(content[twice]) else f"{where}{twice}"
        raise InvalidRequest(f"{what} stands in this file twice, and only one of the two would count: take one away")
    inner: list[tuple[str | None, Any]] = [(None, one) for one in _parts(content)]
    if isinstance(content, dict):
        inner = list(content.items())
    for key, value in inner:
        label = [] if key is None else [f"node {key}" if _is_node(value) else str(key)]
        _ensure_single_keys(value, (*path, *label))


# ── where the graph is ───────────────────────────────────────────────────


def _unwrapped(content: Any) -> dict[str, Any]:
    """The graph: the file itself, or what stands under `prompt`, `output`, `input.workflow` and the like."""
    if _is_saved(content):
        raise InvalidRequest(_SAVED)
    level, saved = [content], False
    for _ in range(MOST_WRAPPINGS + 1):
        found = [one for one in level if _is_graph(one)]
        if found:
            if any(one != found[0] for one in found):
                raise InvalidRequest(f"this file holds {len(found)} graphs: leave only one of them in it")
            return dict(found[0])
        saved = saved or any(map(_is_saved, level))
        level = [inner for one in level for inner in _wrapped(one)]
    raise InvalidRequest(_SAVED if saved else _NOT_A_GRAPH)


def _wrapped(content: object) -> Iterator[Any]:
    for one in _parts(content)[:MOST_SIBLINGS]:
        if isinstance(one, str) and one.lstrip()[:1] == "{":  # as in the metadata of a picture
            inner = _parsed_inside(one)
            if inner is not None:
                yield inner
        elif isinstance(one, (dict, list)) and not _is_saved(content):
            yield one


def _parsed_inside(text: str) -> Any:
    try:
        inner = _parsed(text)
    except InvalidRequest:
        return None
    if _is_too_deep(inner):
        return None
    _ensure_single_keys(inner)
    return inner


def _is_saved(content: object) -> bool:
    return isinstance(content, dict) and isinstance(content.get("nodes"), list)


def _is_graph(content: object) -> bool:
    return isinstance(content, dict) and any(map(_is_node, content.values()))


def _is_node(content: object) -> bool:
    return isinstance(content, dict) and "class_type" in content


# ── one node ─────────────────────────────────────────────────────────────


def _node(content: Mapping[str, Any], nodes: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The node as servers take it, and what is wrong with it: results of an earlier run, such as `is_changed`, go."""
    class_type, inputs, reason = content["class_type"], content.get("inputs"), ""
    if not isinstance(class_type, str) or not class_type.strip():
        class_type, reason = "", NO_CLASS
    elif not isinstance(inputs, dict):
        reason = f"has no inputs: this is not a graph in API format, {EXPORT}"
    else:
        reason = editor_only(class_type) or ""
    given = {key: _input(value, nodes) for key, value in inputs.items()} if isinstance(inputs, dict) else {}
    for key, value in given.items():
        if word := _no_number(value):
            given[key] = word
            reason = reason or f"{key} is {word}, which is no number"
    made: dict[str, Any] = {"class_type": class_type, "inputs": given}
    meta = content.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    if isinstance(title, (str, int, float)) and not isinstance(title, bool):
        made["_meta"] = {"title": str(title)}
    return made, reason


def _input(value: Any, nodes: Mapping[str, Any]) -> Any:
    """A link is a text and a whole number; scripts write both as numbers, or both as texts."""
    if not isinstance(value, list) or len(value) != 2:
        return value
    source, slot = value
    if isinstance(source, bool) or not isinstance(source, (str, int)):
        return value
    number = _slot(slot)
    if number is None or (isinstance(slot, str) and str(source) not in nodes):
        return value
    return [str(source), number]


def _slot(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 4 else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if isinstance(value, int) else None


def _no_number(value: object) -> str:
    """`NaN`, `Infinity`: Python writes them, JSON and servers know none of them."""
    level = [value]
    for _ in range(DEEPEST):
        for one in level:
            if isinstance(one, float) and not math.isfinite(one):
                return "NaN" if math.isnan(one) else "Infinity" if one > 0 else "-Infinity"
        level = [inner for one in level for inner in _parts(one)]
    return ""
