"""Writes docs/graphs.md: every shipped graph with its rules and files; camera movement in numbers and in words."""

from collections.abc import Iterator

from comfy_workflows.camera import POSES, speed_of
from comfy_workflows.declaration import GraphDeclaration, Parameter, ParameterName
from comfy_workflows.graph import load_graph, shipped_graphs
from studio.contracts.clip import CameraMove
from studio.contracts.render import BIGGEST_SEED
from studio.prompts.camera import PACES, words_for

INTRODUCTION = """\
# Graphs

What Longtake can render on ComfyUI. A graph is a file in API format and a declaration beside it, in
[`comfy_workflows/`](../comfy_workflows/README.md), where it also says how to add one, or how to use a graph of your
own without adding anything. This page is generated: `make docs`.

A size or a length that does not fit its rule is raised to the next one that does, and the result says so:
`length 80 → 81 (4n+1)`. A length in seconds becomes enough frames to cut from, at least the fewest the graph makes.
What is asked for and the graph has not is left out, and said: a negative prompt, few steps, seconds of a picture,
frames per second of a user's own graph that has no `in:fps`. A camera movement goes into the prompt. Refused, before
anything is sent: any other value out of its range, a clip that is too long, too few or too many pictures, a LoRA of the
wrong sort, one side of a picture without the other where the pictures give the size, a length where a user's own graph
has no `in:length`. A seed is folded into the range of its input. Parameters that are not given have the default.
"""
CAMERA = """\
## Camera movement

Graphs with the camera in numbers get a pose and a speed; for all others the move is said at the end of the prompt, in
words that follow the same strength. The node's pans travel sideways without turning, so a truck is a pan to it; it has
no orbit. These two get the nearest travel, and the words besides. Strength 0.5 is the node's own speed.
"""


def graphs_page() -> str:
    """The page."""
    parts = [INTRODUCTION, _overview()]
    parts += [_graph(load_graph(name).declaration) for name in shipped_graphs()]
    return "\n".join([*parts, CAMERA, _moves(), _paces()])


def _overview() -> str:
    rows = ["| graph | makes | pictures | LoRAs | fast way | camera |", "|---|---|---|---|---|---|"]
    for name in shipped_graphs():
        one = load_graph(name).declaration
        camera = "numbers" if one.camera else "words" if one.output.kind == "video" else ""
        fast = f"{one.fast.steps} steps, cfg {one.fast.cfg:g}" if one.fast else ""
        rows.append(f"| [`{name}`](#{name}) | {one.type} | {_pictures(one)} | {_loras(one)} | {fast} | {camera} |")
    return "\n".join(rows) + "\n"


def _pictures(one: GraphDeclaration) -> str:
    if one.references:
        return f"{len(one.images)} to {one.references.most}"
    return str(len(one.images) or "")


def _loras(one: GraphDeclaration) -> str:
    if not one.loras:
        return ""
    return "any number" if one.loras[0].side == "only" else "any number of pairs, either side may be absent"


def _graph(one: GraphDeclaration) -> str:
    rows = [f"## {one.name}", "", f"{one.title}.", "", "| parameter | default | range | rule |", "|---|---|---|---|"]
    rows += [f"| {p.name} | {_default(p)} | {_range(p)} | {_rule(p)} |" for p in one.parameters]
    rows += ["", "| model file | folder below `models` |", "|---|---|"]
    rows += [f"| `{file.name}` | `{file.folder}` |" for file in one.models]
    if one.fast:
        rows += [f"| `{few.name}` | `loras`, for the fast way |" for few in one.fast.loras]
    return "\n".join(rows) + "\n"


def _default(parameter: Parameter) -> str:
    if parameter.name in (ParameterName.PROMPT, ParameterName.SEED):
        return "**required**"
    if parameter.name is ParameterName.SPLIT:
        return "half of the steps"
    if parameter.default is None:
        return "as the first picture, at one megapixel"
    return f"{parameter.default:g}" if isinstance(parameter.default, float) else str(parameter.default) or "empty"


def _range(parameter: Parameter) -> str:
    if parameter.least is None or parameter.most is None or parameter.name is ParameterName.SPLIT:
        return ""
    if parameter.most == BIGGEST_SEED:
        return "0 to 2^63-1"
    return f"{parameter.least} to {parameter.most}"


def _rule(parameter: Parameter) -> str:
    if parameter.name is ParameterName.LENGTH:
        return f"{parameter.rule}, in frames"
    return parameter.rule


def _moves() -> str:
    rows = ["| move | pose | at strength 0.5, in words | words needed with the pose |", "|---|---|---|---|"]
    for move in CameraMove:
        words = words_for(move, 0.5)
        rows.append(f"| `{move}` | {POSES[move].name} | {words} | {'' if POSES[move].exact else 'yes'} |")
    return "\n".join(rows) + "\n"


def _paces() -> str:
    rows = ["| strength up to | speed of the pose at the end | in words |", "|---|---|---|"]
    rows += list(_pace_rows())
    return "\n".join(rows) + "\n"


def _pace_rows() -> Iterator[str]:
    for most, pace in PACES:
        yield f"| {most:g} | {speed_of(most):g} | {pace} |"
