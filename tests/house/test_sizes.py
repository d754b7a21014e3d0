"""Small modules, one story each."""

import ast

import pytest

from tests.house.tree import Module, modules, under

MODULE_LINES = 300
ROOM_LINES = {"workflows_temporal": 200, "activities": 150, "studio.contracts": 220}
FUNCTION_LINES = 40
DEPENDENCIES = 5
TABLES = ("studio.media.palette", "studio.errors", "composition")
"""Modules that are one table or one tree: their length is that of their subject."""


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.name)
def test_a_module_is_small(module: Module) -> None:
    if module.name in TABLES:
        return
    most = next((lines for room, lines in ROOM_LINES.items() if under(module.name, room)), MODULE_LINES)
    assert module.lines <= most


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.name)
def test_a_function_fits_on_a_screen(module: Module) -> None:
    long = {
        f"{node.name}:{node.lineno}": length
        for node in ast.walk(module.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (length := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


def test_an_activity_class_has_few_dependencies() -> None:
    crowded = {}
    for module in modules():
        if under(module.name, "activities"):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef) and node.name == "__init__":
                    count = len(node.args.args) + len(node.args.kwonlyargs) - 1
                    if count > DEPENDENCIES:
                        crowded[f"{module.name}:{node.lineno}"] = count
    assert crowded == {}


def test_no_module_is_called_after_nothing() -> None:
    empty_words = {"utils", "util", "helpers", "helper", "common", "manager", "service", "misc"}
    named = [m.name for m in modules() if m.name.rsplit(".", 1)[-1] in empty_words]
    assert named == []
