"""Every workflow and activity is served by exactly the queue its policy sends it to."""

import ast
import importlib
import inspect

from temporalio import activity, workflow

from gateway.delivery import CALLED_BACK
from studio.contracts.take import LateOrder
from studio.contracts.video import VideoProgress, VideoRequest, VideoResult
from tests.house.tree import Module, modules, under
from workflows_temporal.addresses import LATE_CLIP_WORKFLOW, VIDEO_WORKFLOW


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


def test_what_callers_name_by_text_is_there() -> None:
    """Callers that have to start quickly import no workflow, so no type checker looks at the names they use."""
    known = workflow_names()
    assert {VIDEO_WORKFLOW, LATE_CLIP_WORKFLOW} <= known.keys()
    video = workflow._Definition.must_from_class(known[VIDEO_WORKFLOW])
    assert {"resume", "stop", CALLED_BACK} <= video.signals.keys()
    assert video.queries["progress"].ret_type is VideoProgress
    assert video.ret_type is VideoResult
    assert video.arg_types == [VideoRequest]
    late = workflow._Definition.must_from_class(known[LATE_CLIP_WORKFLOW])
    assert late.arg_types == [LateOrder]
