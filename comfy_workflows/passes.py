"""Graphs whose sampling is divided into passes: each begins where the one before it ends, the last one goes to the end.

`steps` says into how many steps the whole is divided, `start_at_step` and `end_at_step` which of them a node does. With
other steps than the file's these have to follow, or the last pass stops in the middle and the clip is noise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfy_workflows.check import name_of
from comfy_workflows.computed import NotComputable, number_of
from comfy_workflows.declaration import GraphDeclaration, ParameterName
from comfy_workflows.rewire import Graph, cut_loose_ends, is_link
from studio.errors import InvalidRequest

STEPS, FIRST, LAST = "steps", "start_at_step", "end_at_step"


@dataclass(frozen=True)
class Pass:
    """What a node does of the sampling."""

    steps: int
    first: int
    last: int

    @property
    def to_the_end(self) -> bool:
        """Is it the last pass?"""
        return self.last >= self.steps


def passes_of(graph: Mapping[str, Any]) -> dict[str, Pass]:
    """Node → its part, of the nodes whose numbers can be computed."""
    found = {}
    for node, content in graph.items():
        inputs = content["inputs"]
        if all(name in inputs for name in (STEPS, FIRST, LAST)):
            try:
                found[node] = Pass(*(int(number_of(graph, inputs[name])) for name in (STEPS, FIRST, LAST)))
            except NotComputable:
                continue
    return found


def _tell_the_others(before: Mapping[str, Pass], own: Graph, graph: Graph) -> None:
    """Passes that go on where one with other steps ends are told the same steps, also where only one was marked."""
    for _ in before:
        now = passes_of(graph)
        for node in [node for node in before if node in now and now[node].steps == before[node].steps]:
            told = next(
                (
                    one
                    for one in now
                    if one in before and now[one].steps != before[one].steps and _follow(own, before, one, node)
                ),
                None,
            )
            if told is not None:
                graph[node]["inputs"][STEPS] = now[told].steps
                break
        else:
            return


def _follow(graph: Graph, passes: Mapping[str, Pass], one: str, other: str) -> bool:
    """Are these two passes of the same sampling, one after the other?"""
    first, second = passes[one], passes[other]
    if first.steps != second.steps or not (first.last == second.first or second.last == first.first):
        return False
    return one in cut_loose_ends(graph, other) or other in cut_loose_ends(graph, one)


def follow_steps(declaration: GraphDeclaration, own: Graph, graph: Graph) -> None:
    """Where the steps are others than the file's, let every pass begin and end in the same place of the whole.

    Raises:
        InvalidRequest: a pass would have no steps.
    """
    before = passes_of(own)
    _tell_the_others(before, own, graph)
    after = passes_of(graph)
    split = declaration.parameter(ParameterName.SPLIT)
    divided = {(place.node, place.input) for place in split.places} if split else set()
    for node in [node for node in after if node in before and after[node].steps != before[node].steps]:
        was, now = before[node], after[node]
        if was.to_the_end and not now.to_the_end:
            graph[node]["inputs"][LAST] = now.steps
        for name, at in ((FIRST, was.first), (LAST, was.last)):
            place = _source(graph, node, name)
            if 0 < at < was.steps and (node, name) not in divided and not _is_divided(place, divided):
                graph[node]["inputs"][name] = _moved(declaration, at, was.steps, now.steps, graph)
    for node, one in passes_of(graph).items():
        if (
            node in before
            and before[node].first < min(before[node].last, before[node].steps)
            and (one.first >= min(one.last, one.steps))
        ):
            raise InvalidRequest(
                f"{declaration.name}: with {one.steps} steps {name_of(node, graph[node])} would have none of them: "
                "ask for more steps"
            )


def _moved(declaration: GraphDeclaration, at: int, before: int, after: int, graph: Graph) -> int:
    """Where the next pass begins: as the split says, where there is one, else at the same share of the steps."""
    split = declaration.parameter(ParameterName.SPLIT)
    if split is not None and split.default == at:
        place = split.places[0]
        value = graph[place.node]["inputs"][place.input]
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return min(max(round(at * after / before), 1), max(after - 1, 1))


def _source(graph: Graph, node: str, name: str) -> str | None:
    value = graph[node]["inputs"].get(name)
    return value[0] if is_link(value) and isinstance(value, list) else None


def _is_divided(node: str | None, divided: set[tuple[str, str]]) -> bool:
    return node is not None and any(node == marked for marked, _ in divided)
