"""A prompt looked at before it runs: the order of its nodes, what each makes, how long each takes."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from simulators.comfyui.config import ComfyConfig, RunOrder
from simulators.comfyui.inputs import unchosen
from simulators.comfyui.nodes import Find, Inputs, outcome, samples, ticks
from simulators.comfyui.schema import MODEL_INPUTS, NodeSchema
from simulators.comfyui.validation import Graph
from simulators.comfyui.values import Picture, Video

SAVING = frozenset({"SaveImage", "SaveVideo", "PreviewImage"})


@dataclass
class Step:
    """One node. `signature` is the same for the same node with the same ancestors, in whatever prompt."""

    node_id: str
    class_type: str
    signature: str
    inputs: Inputs = field(default_factory=dict)
    made: tuple[Any, ...] = ()
    error: Exception | None = None
    ticks: int = 0
    seconds: float = 0.0

    @property
    def saves(self) -> bool:
        return self.class_type in SAVING


@dataclass
class Plan:
    """Steps in the order of execution; after one with an error there is none."""

    steps: list[Step]
    models: frozenset[str]


def make_plan(graph: Graph, outputs: list[str], find: Find, schema: NodeSchema) -> Plan:
    return Plan(_Walk(graph, find, schema).steps(outputs), _models(graph))


class _Walk:
    """Sources first, each node once."""

    def __init__(self, graph: Graph, find: Find, schema: NodeSchema) -> None:
        self._graph = graph
        self._find = find
        self._schema = schema
        self._done: dict[str, Step] = {}

    def steps(self, outputs: list[str]) -> list[Step]:
        for output in outputs:
            if not self._visit(output):
                break
        return list(self._done.values())

    def _visit(self, node_id: str) -> bool:
        """False when this node or one before it fails."""
        if node_id in self._done:
            return self._done[node_id].error is None
        node = self._graph[node_id]
        inputs: Inputs = {}
        parents: dict[str, str] = {}
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                source = value[0]
                if not self._visit(source):
                    return False
                inputs[name] = self._done[source].made[value[1]]
                parents[name] = f"{self._done[source].signature}/{value[1]}"
            else:
                inputs[name] = value
        step = Step(node_id, node["class_type"], self._signature(node, parents), inputs)
        self._done[node_id] = step
        try:
            if missing := unchosen(self._schema.inputs(step.class_type), node["inputs"]):
                raise TypeError(f"{step.class_type}.execute() missing 1 required positional argument: '{missing}'")
            step.made = outcome(step.class_type, inputs, self._find, len(self._schema.outputs(step.class_type)))
            step.ticks = ticks(step.class_type, inputs)
        except Exception as error:  # as the server does: whatever a node raises ends the prompt
            step.error = error
        return step.error is None

    def _signature(self, node: dict[str, Any], parents: dict[str, str]) -> str:
        plain = {name: value for name, value in node["inputs"].items() if name not in parents}
        told = [node["class_type"], plain, parents]
        if node["class_type"] in ("LoadImage", "LoadVideo"):
            told.append(_stamp(self._find, node["inputs"]))
        return hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode()).hexdigest()


def _stamp(find: Find, inputs: Inputs) -> str:
    try:
        return hashlib.sha256(find(inputs.get("image") or inputs["file"]).read_bytes()).hexdigest()
    except (OSError, KeyError):
        return ""


def _models(graph: Graph) -> frozenset[str]:
    named = (
        node["inputs"].get(name)
        for node in graph.values()
        for (class_type, name) in MODEL_INPUTS
        if node["class_type"] == class_type
    )
    return frozenset(str(name) for name in named if name)


# ── time ─────────────────────────────────────────────────────────────────


def give_time(steps: Iterable[Step], config: ComfyConfig, order: RunOrder) -> None:
    """Spread a prompt's GPU seconds over the steps that run: some for saving, the rest for those that tick."""
    left = list(steps)
    total = _total(left, config, order)
    savers = [step for step in left if step.saves]
    working = [step for step in left if step.ticks] or [step for step in left if not step.saves] or savers
    saving = order.encode_seconds if order.encode_seconds is not None else total * config.encode_share
    saving = min(total, saving) if savers else 0.0
    for step in savers:
        step.seconds = saving / len(savers)
    weight = sum(max(1, step.ticks) for step in working)
    for step in working:
        step.seconds += (total - saving) * max(1, step.ticks) / weight


def _total(steps: list[Step], config: ComfyConfig, order: RunOrder) -> float:
    if order.seconds is not None:
        return order.seconds
    if config.prompt_seconds is not None:
        return config.prompt_seconds
    if not any(samples(step.class_type) for step in steps):
        return config.bare_seconds + config.tick_seconds * sum(step.ticks for step in steps)
    total = 0.0
    for step in steps:
        made = step.made[0] if step.made and step.saves else None
        if isinstance(made, Video):
            total += made.picture.count / made.fps * config.clip_seconds
        elif isinstance(made, Picture):
            total += made.count * config.picture_seconds
    return total or config.picture_seconds
