"""Every workflow and activity is served by exactly the queue its policy sends it to."""

import ast
import importlib
import inspect

from temporalio import activity, workflow

from tests.house.tree import Module, modules, under


def _classes(room: str) -> list[type]:
    found: dict[str, type] = {}
    for module in modules():
        if under(module.name, room):
            for _, member in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if member.__module__ == module.name:
                    found[f"{module.name}.{member.__name__}"] = member
    return list(found.values())


def activity_names() -> dict[str, str]:
    """Registered name of every activity → its class."""
    names: dict[str, str] = {}
    for owner in _classes("activities"):
        for _, method in inspect.getmembers(owner, inspect.isfunction):
            definition = activity._Definition.from_callable(method)
            if definition is not None and definition.name is not None:
                assert definition.name not in names, f"{definition.name} is defined twice"
                names[definition.name] = owner.__name__
    return names


def workflow_names() -> dict[str, type]:
    """Registered name of every workflow → its class."""
    definitions = {owner: workflow._Definition.from_class(owner) for owner in _classes("workflows_temporal")}
    return {found.name: owner for owner, found in definitions.items() if found is not None and found.name is not None}


def _mentioned(module: Module) -> set[str]:
    return {node.attr for node in ast.walk(module.tree) if isinstance(node, ast.Attribute)} | {
        node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name)
    }


def test_the_worker_serves_every_activity_and_workflow() -> None:
    composition = next(m for m in modules() if m.name == "composition")
    said = _mentioned(composition)
    assert [name for name in activity_names() if name not in said] == []
    assert [owner.__name__ for owner in workflow_names().values() if owner.__name__ not in said] == []
