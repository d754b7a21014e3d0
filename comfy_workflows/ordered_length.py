"""The length of one order of a graph that computes its frames: enough frames, and not many more."""

import math

from comfy_workflows.computed import NotComputable
from comfy_workflows.declaration import GraphDeclaration, Parameter, ParameterName
from comfy_workflows.lengths import frames_of, rate_of
from comfy_workflows.rewire import Graph, put
from comfy_workflows.values import Value, plain
from studio.contracts.render import GraphParameters
from studio.errors import InvalidRequest

MOST_TRIES = 40
"""Numbers that are tried, each a little larger, until the frames are enough."""
MOST_SPARE = 33
"""Frames that may be too many, beside those of one second."""


def frames_made(
    declaration: GraphDeclaration,
    graph: Graph,
    values: dict[ParameterName, Value],
    asked: GraphParameters,
    notes: list[str],
) -> int | None:
    """Frames that the graph makes, after its number was raised where they would be too few; None: it computes none.

    Raises:
        InvalidRequest: it cannot make enough, or would make far too many.
    """
    output = declaration.output
    parameter = declaration.parameter(ParameterName.SECONDS) or declaration.parameter(ParameterName.LENGTH)
    if not output.frames or parameter is None:
        return None
    fps = rate_of(graph, output.rates) or declaration.fps or 0.0
    if asked.fps and declaration.parameter(ParameterName.FPS):
        fps = asked.fps
    needed = asked.frames or (math.ceil(round(asked.seconds * fps, 6)) if asked.seconds else 0)
    try:
        frames = _raised(declaration, parameter, graph, values, needed, fps, notes)
    except NotComputable as unknown:
        raise InvalidRequest(f"{declaration.name}: what node {unknown.node} computes is not known any more") from None
    if needed and frames > needed + fps + MOST_SPARE:
        raise InvalidRequest(
            f"{declaration.name}: {needed} frames are needed, and the graph makes {frames} of {parameter.name} "
            f"{plain(_number(values, parameter))}: correct what it computes its length of"
        )
    return frames


def _raised(
    declaration: GraphDeclaration,
    parameter: Parameter,
    graph: Graph,
    values: dict[ParameterName, Value],
    needed: int,
    fps: float,
    notes: list[str],
) -> int:
    first = _number(values, parameter)
    step = 1.0 / fps if parameter.type == "number" and fps else 1
    for tried in range(MOST_TRIES):
        number = first + tried * step if tried else first
        if parameter.most is not None and number > parameter.most:
            break
        value: Value = math.ceil(number) if parameter.type == "integer" else round(number, 4)
        for place in parameter.places:
            put(graph, place, value)
        frames = frames_of(graph, declaration.output.frames)
        if frames >= needed:
            if tried:
                notes.append(f"{parameter.name} {plain(first)} → {plain(value)}, for {needed} frames")
            values[parameter.name] = value
            return frames
    raise InvalidRequest(
        f"{declaration.name}: {needed} frames are too many for this graph: make it shorter, or take a model that makes "
        "longer clips"
    )


def _number(values: dict[ParameterName, Value], parameter: Parameter) -> int | float:
    value = values.get(parameter.name, parameter.default)
    return value if isinstance(value, (int, float)) else 0
