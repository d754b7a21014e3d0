"""Small modules, one story each."""

import ast

from tests.house.tree import modules, under

MODULE_LINES = 400
FUNCTION_LINES = 40
DEPENDENCIES = 5


def test_a_module_has_one_subject_and_at_most_400_lines() -> None:
    assert {module.name: module.lines for module in modules() if module.lines > MODULE_LINES} == {}


def test_a_function_fits_on_a_screen() -> None:
    long = {
        f"{module.name}:{node.name}:{node.lineno}": length
        for module in modules()
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
