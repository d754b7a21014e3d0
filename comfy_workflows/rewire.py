"""Changes to a graph's wiring: LoRAs put into a model's way, further references chained, loose ends cut off.

A LoRA that is not wanted cannot be set to "none": its node must not be there. So graphs are built, not filled in.
"""

import copy
from collections.abc import Sequence
from typing import Any

from comfy_workflows.declaration import FewStepLora, GraphDeclaration, LoraPlace, Place, References, Side
from studio.contracts.render import Lora, LoraPair
from studio.errors import InvalidRequest

Graph = dict[str, Any]
"""A graph in API format: node id → class_type, inputs, _meta."""


def put(graph: Graph, place: Place, value: object) -> None:
    """Set one input."""
    graph[place.node]["inputs"][place.input] = value


def is_link(value: object) -> bool:
    """Does this input come from another node's output?"""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def add_loras(
    graph: Graph, declaration: GraphDeclaration, loras: Sequence[Lora | LoraPair], *, few_steps: Sequence[FewStepLora]
) -> None:
    """Put LoRAs in: the few-step ones next to the model, then the others as ordered.

    Raises:
        InvalidRequest: the graph takes none, or none of this sort.
    """
    wanted = [side for lora in loras for side in _sides(lora)]
    for side, _, name in wanted:
        if all(place.side != side for place in declaration.loras):
            raise InvalidRequest(f"{declaration.name}: {_no_place(declaration)} ({name})")
    for place in declaration.loras:
        for few in few_steps:
            if few.side == place.side:
                _insert(graph, place.into, few.node, few.title, few.name, few.strength)
        mine = [(strength, name) for side, strength, name in wanted if side == place.side]
        for number, (strength, name) in enumerate(mine, 1):
            node, title = _numbered(place, number)
            _insert(graph, place.into, node, title, name, strength)


def add_references(graph: Graph, references: References, images: Sequence[str]) -> None:
    """Add the pictures after the first: each is loaded, scaled, encoded and added to every conditioning."""
    ends = [[chain.node, 0] for chain in references.chains]
    for number, image in enumerate(images, 2):
        load = str(references.first_id + number - 2)
        scale, encode = f"{load}s", f"{load}e"
        graph[load] = _copy(graph[references.load], image=image, _title=f"reference {number}")
        graph[scale] = _copy(graph[references.scale], image=[load, 0])
        graph[encode] = _copy(graph[references.encode], pixels=[scale, 0])
        for at, chain in enumerate(references.chains):
            node = f"{load}{chain.suffix}"
            graph[node] = _copy(graph[chain.node], conditioning=ends[at], latent=[encode, 0])
            ends[at] = [node, 0]
    for chain, end in zip(references.chains, ends, strict=True):
        put(graph, chain.into, end)


def cut_loose_ends(graph: Graph, output: str) -> Graph:
    """Only what leads to the output: a server would check, and with a second output run, the rest as well."""
    needed, todo = {output}, [output]
    while todo:
        for value in graph[todo.pop()]["inputs"].values():
            if is_link(value) and value[0] in graph and value[0] not in needed:
                needed.add(value[0])
                todo.append(value[0])
    return {node: content for node, content in graph.items() if node in needed}


def _sides(lora: Lora | LoraPair) -> list[tuple[Side, float, str]]:
    if isinstance(lora, Lora):
        return [("only", lora.strength, lora.name)]
    files: tuple[tuple[Side, str | None], ...] = (("high", lora.high), ("low", lora.low))
    return [(side, lora.strength, name) for side, name in files if name is not None]


def _no_place(declaration: GraphDeclaration) -> str:
    if not declaration.loras:
        return "this graph takes no LoRA"
    if declaration.loras[0].side == "only":
        return "a LoRA of this graph is one file, not a pair for high and low noise"
    return "a LoRA of this graph is a pair of files for high and low noise"


def _numbered(place: LoraPlace, number: int) -> tuple[str, str]:
    return (place.node, place.title) if number == 1 else (f"{place.node}_{number}", f"{place.title} {number}")


def _insert(graph: Graph, into: Place, node: str, title: str, name: str, strength: float) -> None:
    before = graph[into.node]["inputs"][into.input]
    inputs = {"model": before, "lora_name": name, "strength_model": strength}
    graph[node] = {"class_type": "LoraLoaderModelOnly", "inputs": inputs, "_meta": {"title": title}}
    put(graph, into, [node, 0])


def _copy(node: dict[str, Any], *, _title: str | None = None, **inputs: object) -> dict[str, Any]:
    made = copy.deepcopy(node)
    made["inputs"] |= inputs
    if _title is not None:
        made["_meta"] = {"title": _title}
    return made
