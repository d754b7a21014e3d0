"""Graphs of ComfyUI: loaded, given their values, ready to be sent."""

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from comfy_workflows.camera import POSES, speed_of
from comfy_workflows.declaration import GraphDeclaration, Kind, ModelFile, ParameterName
from comfy_workflows.lengths import rate_of
from comfy_workflows.loaders import model_files
from comfy_workflows.ordered_length import frames_made
from comfy_workflows.passes import follow_steps
from comfy_workflows.rewire import Graph, add_loras, add_references, cut_loose_ends, put
from comfy_workflows.values import Values, values_for
from studio.contracts.base import Contract
from studio.contracts.clip import CameraMove
from studio.contracts.render import GraphParameters
from studio.errors import InvalidRequest

SHELVES = ("image", "video")
ROOM = Path(__file__).parent
TRIAL_IMAGE = "example.png"
"""Every server has it."""


@dataclass(frozen=True)
class BoundGraph:
    """A graph with all its values: what goes to the server, and what is to be expected from it."""

    graph: dict[str, Any]
    output_node: str
    kind: Kind
    width: int | None
    """Pixels; none: as the pictures have it, or as a node of the user's own says."""
    height: int | None
    frames: int | None
    """None: a picture, or unknown."""
    fps: float | None
    notes: tuple[str, ...]
    """What was changed or left out, as people read it."""
    model_files: tuple[ModelFile, ...]


class GraphTemplate(Contract):
    """A graph and its declaration: one that is shipped, or a user's own. As JSON it can be kept anywhere."""

    declaration: GraphDeclaration
    graph: dict[str, Any]

    @property
    def name(self) -> str:
        """What it is called."""
        return self.declaration.name

    def camera_in_words(self, move: CameraMove) -> bool:
        """Must the prompt say this move, because the graph has no numbers for it?"""
        return self.declaration.camera is None or not POSES[move].exact

    def bind(self, parameters: GraphParameters, *, images: Sequence[str], prefix: str) -> BoundGraph:
        """Give the graph its values.

        `images`: the uploaded pictures, as the server calls them. `prefix`: path and beginning of the result's name.

        Raises:
            InvalidRequest: something was asked for that this graph cannot do.
        """
        notes: list[str] = []
        values = values_for(self.declaration, parameters, notes)
        graph = copy.deepcopy(self.graph)
        for parameter in self.declaration.parameters:
            if parameter.name in values:
                for place in parameter.places:
                    put(graph, place, values[parameter.name])
        frames = frames_made(self.declaration, graph, values, parameters, notes)
        follow_steps(self.declaration, self.graph, graph)
        self._put_images(graph, images)
        few_steps = self.declaration.fast.loras if parameters.fast and self.declaration.fast else ()
        add_loras(graph, self.declaration, parameters.loras, few_steps=few_steps)
        self._put_camera(graph, parameters, notes)
        output = self.declaration.output
        graph[output.node]["inputs"][output.prefix] = prefix
        return self._bound(cut_loose_ends(graph, output.node), values, frames, notes)

    def trial(self, *, fast: bool = False) -> BoundGraph:
        """The graph with its defaults and no pictures of its own: for asking a server whether it would run."""
        images = [TRIAL_IMAGE] * len(self.declaration.images)
        return self.bind(GraphParameters(prompt="trial", seed=1, fast=fast), images=images, prefix="trial")

    def _put_images(self, graph: Graph, images: Sequence[str]) -> None:
        places, references = self.declaration.images, self.declaration.references
        most = references.most if references else len(places)
        if not len(places) <= len(images) <= most:
            raise InvalidRequest(f"{self.name} takes {_pictures(len(places), most)}, not {len(images)}")
        for place, image in zip(places, images, strict=False):
            put(graph, place, image)
        if references:
            add_references(graph, references, images[len(places) :])

    def _put_camera(self, graph: Graph, parameters: GraphParameters, notes: list[str]) -> None:
        move = parameters.camera
        if move is None:
            return
        pose, places = POSES[move], self.declaration.camera
        if places is None:
            notes.append(f"camera {move}: {self.name} has no numbers for it, only the prompt can say it")
            return
        if not pose.exact:
            notes.append(f"camera {move}: {pose.name} is the nearest {self.name} has, the prompt has to say the rest")
        put(graph, places.pose, pose.name)
        put(graph, places.speed, speed_of(parameters.strength))

    def _bound(self, graph: Graph, values: Values, frames: int | None, notes: list[str]) -> BoundGraph:
        output = self.declaration.output
        video = output.kind == "video"
        fps = rate_of(graph, output.rates) or _number(values, ParameterName.FPS) or output.fps
        return BoundGraph(
            graph=graph,
            output_node=output.node,
            kind=output.kind,
            width=_whole(values, ParameterName.WIDTH),
            height=_whole(values, ParameterName.HEIGHT),
            frames=(frames or _whole(values, ParameterName.LENGTH)) if video else None,
            fps=fps if video else None,
            notes=tuple(notes),
            model_files=model_files(graph),
        )


def shipped_graphs() -> tuple[str, ...]:
    """The names of the graphs that come with Longtake."""
    return tuple(sorted(path.name.partition(".")[0] for path in ROOM.glob("*/*.declaration.json")))


@cache
def load_graph(name: str) -> GraphTemplate:
    """A shipped graph.

    Raises:
        InvalidRequest: there is none of this name.
    """
    for shelf in SHELVES:
        path = ROOM / shelf / f"{name}.declaration.json"
        if name in shipped_graphs() and path.exists():
            declaration = GraphDeclaration.model_validate_json(path.read_bytes())
            graph = json.loads((ROOM / shelf / f"{name}.json").read_bytes())
            return GraphTemplate(declaration=declaration, graph=graph)
    raise InvalidRequest(f"graph {name!r} is not one of {', '.join(shipped_graphs())}")


def _pictures(fewest: int, most: int) -> str:
    if most == 0:
        return "no pictures"
    if fewest == most:
        return "one picture" if most == 1 else f"{most} pictures"
    return f"{fewest} to {most} pictures"


def _number(values: Values, name: ParameterName) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) else None


def _whole(values: Values, name: ParameterName) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) else None
