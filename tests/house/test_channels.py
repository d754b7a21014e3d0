"""Every activity that is handed files checks itself that they are its channel's."""

import ast
import importlib
import inspect
import textwrap
import typing

from pydantic import BaseModel
from temporalio import activity

from studio.contracts.base import MediaRef
from tests.house.tree import modules, under

CHECK = "ensure_of_channel"
ELSEWHERE = {
    "check_video": "studio.intake names every still and the graph, and goes on to say what else is wrong",
    "write_project": "activities._draft_files names every file, and goes on to say what else is wrong",
    "open_video": "it writes the request down as it is and reads no file; check_video comes before it",
    "choose_sentences": "the files are in the request's choices; the plan of each sentence checks them",
}


def _methods() -> list[tuple[str, typing.Callable[..., object]]]:
    found = {}
    for module in modules():
        if under(module.name, "activities"):
            for _, owner in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                for name, method in inspect.getmembers(owner, inspect.isfunction):
                    if activity._Definition.from_callable(method) is not None:
                        found[name] = method
    return sorted(found.items())


def _holds_files(hint: object, seen: tuple[object, ...] = ()) -> bool:
    if hint is MediaRef:
        return True
    if any(_holds_files(part, seen) for part in typing.get_args(hint)):
        return True
    if not (inspect.isclass(hint) and issubclass(hint, BaseModel)) or hint in seen:
        return False
    return any(_holds_files(field.annotation, (*seen, hint)) for field in hint.model_fields.values())


def _calls(method: typing.Callable[..., object]) -> set[str]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}


def test_activities_that_are_handed_files_check_whose_they_are() -> None:
    handed = {
        name: method
        for name, method in _methods()
        if any(_holds_files(hint) for argument, hint in typing.get_type_hints(method).items() if argument != "return")
    }
    assert {"draw_clip", "host_image", "join_clips", "render_clip", "use_render", "record_late"} <= set(handed)
    unchecked = [name for name, method in handed.items() if CHECK not in _calls(method)]
    assert set(unchecked) == set(ELSEWHERE)
