"""Who may import whom (docs/architecture.md). The longest prefix that fits a module is its room."""

import ast

from tests.house.tree import DOORSTEPS, ROOMS, Module, modules, under

EVERYTHING = frozenset(ROOMS) | {"composition", "worker", "starter"}
MAY_IMPORT: dict[str, frozenset[str]] = {
    "studio.errors": frozenset(),
    "studio.ending": frozenset(),
    "studio.secrets": frozenset(),
    "studio.subprocesses": frozenset(),
    "studio.disk": frozenset({"studio.errors"}),
    "studio.logs": frozenset({"studio.secrets"}),
    "studio.digest": frozenset(),
    "studio.callback_address": frozenset(),
    "studio.settings": frozenset({"studio.objects.store", "studio.callback_address"}),
    "studio.contracts": frozenset({"studio.contracts", "studio.errors"}),
    "studio.providers": frozenset({"studio.providers", "studio.contracts", "studio.errors", "studio.secrets"})
    | {"studio.disk"},
    "studio.media": frozenset({"studio.media", "studio.contracts", "studio.errors", "studio.subprocesses"}),
    "studio.objects": frozenset({"studio.objects", "studio.contracts", "studio.errors", "studio.disk"}),
    "studio.store": frozenset({"studio.store", "studio.contracts", "studio.errors"})
    | {"studio.callback_address", "studio.secrets"},
    "studio.prompts": frozenset({"studio.prompts", "studio.contracts", "studio.errors"}),
    # What each engine takes as a still.
    "studio.stills": frozenset({"studio.contracts", "studio.media.still"}),
    # The rules a video has to pass look at words and models at once.
    "studio.intake": frozenset(
        {"studio.contracts", "studio.errors", "studio.objects.keys", "studio.prompts"}
        | {"studio.providers.kie_models", "studio.renders", "comfy_workflows"}
    ),
    # A video's clip as an order for a graph.
    "studio.renders": frozenset({"studio.contracts", "studio.errors", "studio.prompts", "comfy_workflows"}),
    # Graphs as people choose and add them.
    "studio.graphs": frozenset({"studio.contracts", "studio.errors", "studio.styles", "studio.objects"})
    | {"studio.store.models", "comfy_workflows"},
    # What a take is made from: words, pictures' digests, the renderer's version.
    "studio.takes": frozenset({"studio.contracts", "studio.digest", "studio.prompts", "studio.media.animatic"})
    | {"studio.media.still", "comfy_workflows.identity"},
    # Which model makes a picture, and what a style adds to it.
    "studio.styles": frozenset({"studio.contracts", "studio.errors", "studio.prompts"}),
    # What a sentence's picture and clip are made with.
    "studio.sentences": frozenset({"studio.contracts", "studio.errors", "studio.styles", "studio.takes"})
    | {"studio.prompts.camera"},
    # Where people look for a sentence's files.
    "studio.places": frozenset({"studio.contracts", "studio.errors", "studio.objects", "studio.store.projects"}),
    # What becomes of a video's takes when it is changed, and what starting it would do.
    "studio.edits": frozenset({"studio.contracts", "studio.errors", "studio.intake", "studio.takes"})
    | {"studio.store.takes"},
    "studio.plans": frozenset({"studio.contracts", "studio.errors", "studio.takes", "studio.objects.store"})
    | {"studio.store", "studio.providers.kie_models"},
    "comfy_workflows": frozenset({"comfy_workflows", "studio.contracts", "studio.errors"}),
    "activities": frozenset({"activities", "comfy_workflows", "studio"}),
    "workflows_temporal": frozenset({"workflows_temporal", "activities", "studio.contracts", "studio.errors"})
    | {"studio.secrets"},
    "gateway": frozenset({"gateway", "workflows_temporal", "studio"}),
    "commands": frozenset({"commands", "local", "workflows_temporal", "studio"}),
    "starter": frozenset({"commands", "studio.ending"}),
    "simulators": frozenset({"simulators", "studio.contracts", "studio.media"}),
    "composition": EVERYTHING - {"starter", "commands", "local", "simulators", "benchmarks", "worker"},
    "worker": EVERYTHING - {"starter", "commands", "local", "simulators", "benchmarks"},
    "local": EVERYTHING,
    "benchmarks": EVERYTHING,
    "docs": EVERYTHING,
}
NEVER = {"activities": ("studio.settings",)}


def _room(module: Module) -> str:
    rooms = [room for room in MAY_IMPORT if under(module.name, room)]
    assert rooms, f"{module.name} lies in no room: name it here and in docs/architecture.md"
    return max(rooms, key=len)


def _ours(module: Module) -> list[str]:
    tops = {*ROOMS, *(name.removesuffix(".py") for name in DOORSTEPS)}
    return sorted(name for name in module.imports if name.split(".")[0] in tops)


def _forbidden(module: Module) -> list[str]:
    room = _room(module)
    return [
        name
        for name in _ours(module)
        if not any(under(name, allowed) for allowed in MAY_IMPORT[room])
        or any(under(name, never) for never in NEVER.get(room, ()))
    ]


def test_a_module_imports_only_what_its_room_may() -> None:
    found = {module.name: _forbidden(module) for module in modules() if module.name != "studio"}
    assert {name: forbidden for name, forbidden in found.items() if forbidden} == {}


def test_packages_that_workflows_reach_have_empty_inits() -> None:
    reached = ("activities", "workflows_temporal", "studio", "studio.contracts")
    full = [m.name for m in modules() if m.name in reached and m.path.name == "__init__.py" and m.tree.body]
    assert full == []


def test_the_project_never_imports_what_lies_beside_it() -> None:
    assert [m.name for m in modules() if any(under(name, "shared") for name in m.imports)] == []


def _imported_at_start(name: str, known: dict[str, Module]) -> set[str]:
    """All that is imported when this module is, directly or not; not what a function or a type checker imports."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = known.get(waiting.pop())
        if module is not None:
            statements = [node for node in module.tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
            top = Module(module.name, module.path, ast.Module(list(statements), []), 0)
            waiting += top.imports - found
            found |= top.imports
    return found


HEAVY = ("activities", "comfy_workflows", "studio.media", "temporalio.plugin", "temporalio.worker")
"""Workers' code and all it imports takes a second of a core; every command and every gateway would pay it."""


def test_what_people_call_often_and_the_gateway_start_without_the_workers_code() -> None:
    known = {module.name: module for module in modules()}
    for name in ("starter", "commands.videos", "commands.video_views", "gateway.__main__"):
        imported = _imported_at_start(name, known)
        assert len(imported) > 5 or name == "commands.videos"
        assert [one for one in sorted(imported) if any(under(one, heavy) for heavy in HEAVY)] == [], name
