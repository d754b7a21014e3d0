"""What a command that fails says: one sentence with the next step, a documented exit code, JSON where asked."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from temporalio.service import RPCError, RPCStatusCode

from commands.failures import ExitCode, explained
from local.addresses import ADDRESSES
from local.stack import ROOT
from studio.errors import DatabaseUnavailable, StudioError, error_types
from tests.command_line import run_command
from tests.commands.starter import Starter, settings_of, starter_with
from tests.conftest import NOBODY
from tests.databases import Databases
from tests.studio_at_work import StudioAtWork

CLOSED = NOBODY.removeprefix("http://")
"""Host and port where nothing listens."""
COMMANDS = (
    "video status a/x, video resume a/x, video cancel a/x, video result a/x, video costs a/x, video takes a/x, "
    "video list, video edit a/x 1 --again, video choose a/x 1 abcdef, video plan a/x, video stop a/x 1, watch a/x, "
    "project show a/x, project cancel a/x, project make a/x image, costs today, budget show, lost list"
).split(", ")


def _error(stderr: str) -> Mapping[str, object]:
    """The error of a command called with `--json`: exactly one JSON object."""
    value = json.loads(stderr)
    assert set(value) == {"error", "kind", "exit_code"}
    return dict(value)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"TEMPORAL_ADDRESS": CLOSED}, "Temporal does not answer"),
        ({"DATABASE_URL": f"postgresql://nobody@{CLOSED}/x"}, "PostgreSQL does not answer"),
        ({"TEMPORAL_NAMESPACE": "none-such"}, "TEMPORAL_NAMESPACE"),
    ],
    ids=["temporal", "database", "namespace"],
)
async def test_a_server_that_does_not_answer_is_named_with_what_to_check(
    studio: StudioAtWork, tmp_path: Path, change: dict[str, str], says: str
) -> None:
    starter = starter_with(settings_of(studio, **change), tmp_path / "data")
    without_temporal = ("video list", "costs today", "budget show", "lost list", "video costs a/x", "video takes a/x")
    reached = 0
    for command in COMMANDS:
        done = await starter(*command.split(), "--json")
        assert "Traceback" not in done.stdout + done.stderr, command
        if done.code == 0:  # it asks only the other server
            assert command in without_temporal, command
            continue
        error = _error(done.stderr)
        assert error["exit_code"] == done.code, command
        if says in str(error["error"]):
            reached += 1
            assert done.code == (ExitCode.WRONG_INPUT if "NAMESPACE" in says else ExitCode.UNAVAILABLE), command
            assert " - " in str(error["error"]) or "`" in str(error["error"]), command
    assert reached >= 8


async def test_a_database_without_our_tables_is_said_to_need_a_worker(
    studio: StudioAtWork, databases: Databases, tmp_path: Path
) -> None:
    empty = await databases.server.ensure_database("empty_of_tables")
    done = await starter_with(settings_of(studio, DATABASE_URL=empty), tmp_path / "data")("video", "list")
    assert (done.code, done.stdout) == (ExitCode.UNAVAILABLE, "")
    assert "Start a worker" in done.stderr


async def test_odd_arguments_are_refused_in_a_sentence(starter: Starter, tmp_path: Path) -> None:
    binary, deep, folder = tmp_path / "binary.yaml", tmp_path / "deep.yaml", tmp_path / "folder.yaml"
    binary.write_bytes(b"\xff\xfe\x00video")
    deep.write_text("[" * 50_000)
    folder.mkdir()
    odd = [
        ["video", "start", str(tmp_path / "none.yaml")],
        ["video", "start", "a\0b.yaml"],
        ["video", "start", str(binary)],
        ["video", "start", str(deep)],
        ["video", "start", str(folder)],
        ["video", "start", "x" * 5_000],
        ["video", "plan", "a\0b.yaml"],
        ["video", "status", "a\0b"],
        ["video", "status", "/"],
        ["video", "status", ""],
        ["video", "status", "a/b/c/d"],
        ["video", "status", "x" * 2_000],
        ["video", "status", "a/" + "x" * 2_000],
        ["video", "status", "\udcff"],
        ["video", "edit", "a/b", "1", "--still", "a\0b"],
        ["video", "edit", "a/b", "99999999999999999999", "--again"],
        ["video", "costs", "a"],
        ["video", "choose", "a/b", "1", ""],
        ["watch", "a/b/c/d/e"],
        ["watch", "\0"],
        ["project", "put", "a\0b.yaml"],
        ["project", "make", "a/b", "image", "--sentence", "\0"],
        ["lost", "show", "\0"],
        ["video", "list", "--channel", "\0", "--nonsense"],
    ]
    for arguments in odd:
        done = await starter(*arguments)
        said = done.stdout + done.stderr
        assert done.code == ExitCode.WRONG_INPUT, (arguments, said)
        assert "Traceback" not in said, arguments
        assert "defect" not in said, (arguments, said)
        assert len(done.stderr.strip()) > 10, arguments


@pytest.mark.parametrize(
    "content", ["[]", "{", "3", '{"TEMPORAL_ADDRESS": 3}', '{"DATABASE_URL": null}', "[" * 50_000], ids=str.__len__
)
def test_a_data_directory_with_a_damaged_file_counts_as_one_without_a_stack(tmp_path: Path, content: str) -> None:
    (tmp_path / ADDRESSES).write_text(content)
    for data in (tmp_path, tmp_path / ADDRESSES, tmp_path / "none", Path("/dev/null")):
        done = run_command(["video", "list", "--data", str(data)])
        assert done.code == ExitCode.WRONG_INPUT
        assert "No stack runs on" in done.stderr
        assert "Traceback" not in done.stderr


def test_every_error_of_ours_has_a_sentence_of_its_own() -> None:
    for kind in error_types():
        if kind is not StudioError:
            failure = explained(kind("what is the matter"))
            assert "what is the matter" in failure.message, kind
            assert failure.code is not ExitCode.DEFECT, kind
    assert explained(DatabaseUnavailable("x")).code is ExitCode.UNAVAILABLE


def test_a_defect_keeps_its_traceback_in_a_file_and_shows_none() -> None:
    failure = explained(ZeroDivisionError("division by zero"))
    assert failure.code is ExitCode.DEFECT
    report = Path(failure.message.rsplit(" ", 1)[1])
    assert "ZeroDivisionError: division by zero" in report.read_text()
    report.unlink()


def test_a_wrong_call_is_json_on_standard_error_with_json_and_usage_without() -> None:
    plain, told = run_command(["video", "status"]), run_command(["video", "status", "--json"])
    assert plain.code == told.code == ExitCode.WRONG_INPUT
    assert "Usage" in plain.stderr
    assert _error(told.stderr)["kind"] == "wrong_input"


def test_the_exit_codes_are_those_the_docs_name() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    named = {int(code): kind for code, kind in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)}
    assert named == {int(code): code.name.lower() for code in ExitCode}


def test_help_and_version_are_where_people_look() -> None:
    for arguments in (["-h"], ["--help"], ["video", "-h"], ["video", "start", "-h"]):
        assert "Usage" in run_command(arguments).stdout
    assert run_command(["--version"]).stdout.split()[0] == "longtake"


def test_each_refusal_of_temporal_has_its_own_sentence() -> None:
    told = {
        (RPCStatusCode.INVALID_ARGUMENT, "Blob data size exceeds limit."): "too large",
        (RPCStatusCode.RESOURCE_EXHAUSTED, "grpc: received message larger than max (5 vs. 4)"): "too large",
        (RPCStatusCode.RESOURCE_EXHAUSTED, "namespace rate limit"): "no more requests",
        (RPCStatusCode.UNAVAILABLE, "tcp connect error"): "does not answer",
        (RPCStatusCode.DEADLINE_EXCEEDED, "deadline"): "No worker answers",
        (RPCStatusCode.FAILED_PRECONDITION, "no poller seen for task queue recently"): "No worker answers",
        (RPCStatusCode.NOT_FOUND, "Namespace x is not found."): "TEMPORAL_NAMESPACE",
        (RPCStatusCode.NOT_FOUND, "workflow execution already completed"): "has ended already",
        (RPCStatusCode.NOT_FOUND, "no rows in result set"): "does not know it",
        (RPCStatusCode.PERMISSION_DENIED, "no"): "TEMPORAL_API_KEY",
        (RPCStatusCode.INTERNAL, "odd"): "refused it (internal): odd",
    }
    for (status, message), says in told.items():
        assert says in explained(RPCError(message, status, b"")).message, message
