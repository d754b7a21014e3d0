"""What the workflow sandbox passes through is shared by all runs: it must keep nothing, and look at no clock."""

import ast
import importlib
from collections import deque
from functools import cache
from types import ModuleType

import pytest

from tests.house.tree import Module, modules, under
from workflows_temporal import policies
from workflows_temporal.connection import PASSED_THROUGH

CHANGES = (list, dict, set, bytearray, deque)
METHODS = {"append", "add", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "setdefault", "update"}


@cache
def ours() -> list[Module]:
    """The modules of the workflows' package; not looked for before a test needs them."""
    return [module for module in modules() if under(module.name, "workflows_temporal") and module.tree.body]


def _defines_a_workflow(tree: ast.Module) -> bool:
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return any("workflow.defn" in ast.unparse(decorator) for node in classes for decorator in node.decorator_list)


def test_every_module_without_a_workflow_is_passed_through_and_no_other() -> None:
    """A module that is not loads all it imports anew for every run; `_WORKFLOWS` in connection.py are the others."""
    helpers = {module.name for module in ours() if not _defines_a_workflow(module.tree)}
    assert {name for name in PASSED_THROUGH if name.startswith("workflows_temporal")} == helpers


def _state(module: ModuleType) -> list[str]:
    kept = {name: value for name, value in vars(module).items() if isinstance(value, CHANGES)}
    constants = [id(value) for value in vars(policies).values()]
    return [name for name, value in kept.items() if not name.startswith("__") and id(value) not in constants]


def test_what_is_passed_through_keeps_no_state() -> None:
    helpers = [module for module in ours() if module.name in PASSED_THROUGH]
    kept = {module.name: _state(importlib.import_module(module.name)) for module in helpers}
    assert {name: found for name, found in kept.items() if found} == {}
    assert [m.name for m in helpers if any(isinstance(node, ast.Global) for node in ast.walk(m.tree))] == []


def _changes_a_constant(node: ast.AST) -> bool:
    changed = None
    if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
        changed = node.value
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        changed = node.func.value
    elif isinstance(node, ast.AugAssign):
        changed = node.target
    return isinstance(changed, ast.Name) and changed.id.isupper()


def test_the_policies_are_never_changed() -> None:
    assert [module.name for module in ours() if any(map(_changes_a_constant, ast.walk(module.tree)))] == []


@pytest.mark.parametrize("call", ["now", "utcnow", "today"])
def test_workflow_code_asks_no_clock_but_temporals(call: str) -> None:
    guilty = [
        f"{module.name}:{node.lineno}"
        for module in ours()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr == call and ast.unparse(node.value) != "workflow"
    ]
    assert guilty == []
