"""Nodes that change a picture's size or a clip's frames behind the place where these are set.

Every file is compared with the size and the length that were set, so such a result would be refused after it was
rendered. Only nodes of the table in `changers.py` are found out.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from comfy_workflows.changers import DEEP_COLOURS, FIXED_SIZES, FRAME_CHANGERS, SIZE_CHANGERS, divisor_of
from comfy_workflows.check import name_of
from comfy_workflows.computed import receivers
from comfy_workflows.declaration import Parameter, ParameterName
from comfy_workflows.rewire import Graph, cut_loose_ends, is_link
from studio.errors import InvalidRequest

_SIDES = (ParameterName.WIDTH, ParameterName.HEIGHT)
_LENGTHS = (ParameterName.LENGTH, ParameterName.SECONDS)


def ensure_kept(graph: Graph, parameters: Iterable[Parameter]) -> None:
    """Refuse a size or a length that is set where, or before, a node makes another one of it.

    Raises:
        InvalidRequest: it names the node and says what to do.
    """
    before = {node: cut_loose_ends(graph, node).keys() - {node} for node in graph}
    for parameter in parameters:
        if parameter.name not in (*_LENGTHS, *_SIDES):
            continue
        users = {user for place in parameter.places for user in receivers(graph, place.node)}
        for node, content in graph.items():
            last = not any(node in before[one] for one in users)
            behind = last and bool(users & before[node])
            if behind and node not in users and parameter.name in _LENGTHS and _changes(FRAME_CHANGERS, content):
                raise InvalidRequest(_frames_words(parameter.name, name_of(node, content)))
            if last and (behind or node in users) and parameter.name in _SIDES:
                _ensure_size(graph, parameter, node, itself=node in users)


def ensure_eight_bits(graph: Graph) -> None:
    """Refuse a clip of more than 8 bits per colour: other clips could not be joined with it.

    Raises:
        InvalidRequest: it names the node and the input.
    """
    for node, content in graph.items():
        deep = DEEP_COLOURS.get(content["class_type"])
        if deep is not None and (key := deep(content["inputs"])):
            raise InvalidRequest(
                f"{name_of(node, content)} saves 10-bit or HDR colour ({key} is {content['inputs'][key]!r}); a clip "
                "has 8 bits: choose 8, yuv420p or sRGB there"
            )


def _ensure_size(graph: Graph, parameter: Parameter, node: str, *, itself: bool) -> None:
    """`itself`: the node is told the marked side."""
    content, name = graph[node], name_of(node, graph[node])
    if _changes(SIZE_CHANGERS, content):
        raise InvalidRequest(_size_words(parameter.name, name))
    if (divisor := divisor_of(content)) > 1 and parameter.step % divisor:
        raise InvalidRequest(
            f"{name} rounds in:{parameter.name} down to multiples of {divisor}, so not every result would have the "
            "size it was ordered in: set that to 1, or mark the side there"
        )
    sides = FIXED_SIZES.get(content["class_type"])
    if sides is None or itself:
        return
    side = sides[parameter.name is ParameterName.HEIGHT]
    value = content["inputs"].get(side, 0)
    if not is_link(value) and value not in (0, "0"):
        raise InvalidRequest(
            f"{name} sets {side} to {value!r} behind in:{parameter.name}, so no other size could be ordered: mark "
            f"{side} there, in:{parameter.name}={side}"
        )


def _changes(table: Mapping[str, Any], content: Mapping[str, Any]) -> bool:
    changes = table.get(content["class_type"])
    return changes is not None and bool(changes(content["inputs"]))


def _frames_words(name: ParameterName, changer: str) -> str:
    return (
        f"{changer} adds frames behind in:{name}, or takes some away, so no clip would have the length it was ordered "
        "in: leave it out, or switch it off"
    )


def _size_words(name: ParameterName, changer: str) -> str:
    return (
        f"{changer} changes the size behind in:{name}, so no result would have the size it was ordered in: "
        "take in:width and in:height away, and every result has the size the graph gives it"
    )
