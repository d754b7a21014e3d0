"""What a server checks before it accepts a graph, and in which words it refuses."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.comfyui.inputs import Problem, file_problem, link_problem, live_inputs, value_problem
from simulators.comfyui.schema import NodeSchema

Graph = dict[str, dict[str, Any]]
Exists = Callable[[str], bool]
"""Whether there is a file of this name, as it stands in a graph."""


@dataclass
class Verdict:
    """`error` is set when nothing of the graph will run; `node_errors` may be there even when something does."""

    error: dict[str, Any] | None = None
    outputs: list[str] = field(default_factory=list)
    node_errors: dict[str, Any] = field(default_factory=dict)


def validate(graph: Graph, schema: NodeSchema, exists: Exists, targets: list[str] | None = None) -> Verdict:
    """Raises `AttributeError` or `TypeError` for what is no graph at all: the server's own 500."""
    outputs: list[str] = []
    if not graph and not schema.names_missing_nodes:  # older servers do not stumble over a list
        return Verdict(_error("prompt_no_outputs", "Prompt has no outputs"))
    for node_id, node in graph.items():
        if (error := _unknown_class(node_id, node, schema)) is not None:
            return Verdict(error)
        if not isinstance(node.get("inputs", {}), dict):
            raise TypeError("inputs")
        if schema.saves(node["class_type"]) and (targets is None or node_id in targets):
            outputs.append(node_id)
    if not outputs:
        return Verdict(_error("prompt_no_outputs", "Prompt has no outputs"))
    return _Examination(graph, schema, exists).verdict(outputs)


def _unknown_class(node_id: str, node: Any, schema: NodeSchema) -> dict[str, Any] | None:
    told = node if isinstance(node, dict) or schema.names_missing_nodes else {}  # a graph as the editor saves it
    name = told.get("class_type")
    where = f"Node ID '#{node_id}'"
    if name is not None and schema.has(name):
        return None
    if not schema.names_missing_nodes:
        words = (
            "Cannot execute because a node is missing the class_type property."
            if name is None
            else f"Cannot execute because node {name} does not exist."
        )
        return _error("invalid_prompt", words, where)
    title = node.get("_meta", {}).get("title", name)
    info = {"node_id": node_id, "class_type": name, "node_title": title}
    words = (
        f"Node 'ID #{node_id}' has no class_type. The workflow may be corrupted or a custom node is missing."
        if name is None
        else f"Node '{title}' not found. The custom node may not be installed."
    )
    return _error("missing_node_type", words, where, info)


def _error(kind: str, message: str, details: str = "", info: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": info or {}}


class _Examination:
    """One walk from each output up to its sources."""

    def __init__(self, graph: Graph, schema: NodeSchema, exists: Exists) -> None:
        self._graph = graph
        self._schema = schema
        self._exists = exists
        self._seen: dict[str, tuple[bool, list[Problem]]] = {}

    def verdict(self, outputs: list[str]) -> Verdict:
        told = Verdict()
        said: list[str] = []
        for output in outputs:
            if self._node_is_fit(output, ()):
                told.outputs.append(output)
                continue
            said += [f"{problem['message']}: {problem['details']}" for problem in self._seen[output][1]]
            for node_id, (fit, problems) in self._seen.items():
                if not fit and problems:
                    entry = {"errors": problems, "dependent_outputs": [], "class_type": self._class(node_id)}
                    told.node_errors.setdefault(node_id, entry)["dependent_outputs"].append(output)
        if not told.outputs:
            kind, message = "prompt_outputs_failed_validation", "Prompt outputs failed validation"
            told.error = _error(kind, message, "\n".join(said))
        return told

    def _class(self, node_id: str) -> str:
        return str(self._graph[node_id]["class_type"])

    def _node_is_fit(self, node_id: str, path: tuple[str, ...]) -> bool:
        if node_id in path:
            self._note_cycle(path[path.index(node_id) :])
            return False
        if node_id in self._seen:
            return self._seen[node_id][0]
        try:
            fit, problems = self._examined(node_id, (*path, node_id))
        except (KeyError, IndexError, TypeError) as error:  # a link that leads nowhere: an id or a slot of a wrong type
            fit, problems = False, [_crash(error, inner=bool(path))]
        if node_id in self._seen:
            fit = False  # a cycle was found on the way
        else:
            self._seen[node_id] = (fit, problems)
        return fit

    def _examined(self, node_id: str, path: tuple[str, ...]) -> tuple[bool, list[Problem]]:
        node = self._graph[node_id]
        given: dict[str, Any] = node["inputs"]
        live = live_inputs(self._schema.inputs(self._class(node_id)), given)
        fit, problems = True, []
        for name, (spec, required) in live.items():
            link = given.get(name)
            if not isinstance(link, list):
                problem = value_problem(name, spec, given, required=required)
            elif (problem := link_problem(name, spec, link, self._types_of(link))) is None:
                fit = self._node_is_fit(link[0], path) and fit
            problems += [problem] if problem else []
        problem = file_problem(self._class(node_id), given, self._exists)
        problems += [problem] if problem else []
        return fit and not problems, problems

    def _types_of(self, link: list[Any]) -> list[str] | None:
        if len(link) != 2:
            return None
        return self._schema.outputs(self._class(link[0]))

    def _note_cycle(self, nodes: tuple[str, ...]) -> None:
        round_trip = " -> ".join(f"{node} ({self._class(node)})" for node in (*nodes, nodes[0]))
        for node in nodes:
            info = {"node_id": node, "cycle_nodes": list(nodes)}
            problem = _error("dependency_cycle", "Dependency cycle detected", round_trip, info)
            self._seen[node] = (False, [problem])


def _crash(error: Exception, *, inner: bool) -> Problem:
    kind = "exception_during_inner_validation" if inner else "exception_during_validation"
    words = "Exception when validating inner node" if inner else "Exception when validating node"
    return _error(kind, words, str(error), {"exception_type": type(error).__name__, "traceback": ["(simulated)"]})
