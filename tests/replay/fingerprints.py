"""The commands that workflow code gives, in the order they stand in the source.

Histories catch a change on the paths that were recorded. This catches one on any path: a step that is inserted,
removed or moved changes the fingerprint of its module, and the test that compares it says what to do.
"""

import ast
import json
from pathlib import Path

from tests.house.tree import ROOT

FINGERPRINTS = Path(__file__).parent / "fingerprints.json"
COMMANDS = frozenset(
    {
        "continue_as_new",
        "execute_activity_method",
        "execute_child_workflow",
        "patched",
        "signal",
        "sleep",
        "start_activity_method",
        "start_child_workflow",
        "upsert_memo",
        "upsert_search_attributes",
        "wait_condition",
    }
)


def current() -> dict[str, list[str]]:
    """Module → its commands."""
    found = {}
    for path in sorted((ROOT / "workflows_temporal").glob("*.py")):
        commands = _commands(ast.parse(path.read_text(encoding="utf-8")))
        if commands:
            found[path.stem] = commands
    return found


def stored() -> dict[str, list[str]]:
    """As they were when the histories were recorded."""
    loaded: dict[str, list[str]] = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    return loaded


def write() -> None:
    """Store today's."""
    FINGERPRINTS.write_text(json.dumps(current(), indent=1) + "\n", encoding="utf-8")


def _commands(tree: ast.Module) -> list[str]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    calls.sort(key=lambda call: (call.lineno, call.col_offset))
    return [_name(call) for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in COMMANDS]


def _name(call: ast.Call) -> str:
    """The call and what it names: `execute_activity_method(KlingActivities.await_clip)`."""
    assert isinstance(call.func, ast.Attribute)
    what = ast.unparse(call.args[0]) if call.args and not isinstance(call.args[0], ast.Lambda) else ""
    return f"{call.func.attr}({what})"
