"""What a command that failed says: one sentence with the next command, an exit code, JSON on standard error if asked.

Every command runs inside `CommandLine`. What it raises and does not explain itself is explained here; no traceback
reaches the terminal. Exit codes are documented in docs/cli.md.
"""

import json
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from temporalio.client import (
    RPCTimeoutOrCancelledError,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowUpdateFailedError,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode
from typer.core import TyperGroup

from local.processes import ProcessFailed
from studio.contracts.complaint import complaint
from studio.contracts.texts import printable
from studio.errors import (
    DatabaseUnavailable,
    InvalidRequest,
    MediaError,
    ObjectStoreUnavailable,
    StorageUnavailable,
    StudioError,
)
from studio.secrets import hide
from studio.settings import SettingsInvalid


class ExitCode(IntEnum):
    """The exit codes of the command line."""

    DONE = 0
    """It is done."""
    FAILED = 1
    """What was asked for did not come about: a video failed, is not finished, or was cancelled."""
    WRONG_INPUT = 2
    """The command, a file, a name or a setting is wrong; nothing was changed."""
    UNAVAILABLE = 3
    """Temporal, PostgreSQL, the object store or a worker does not answer: the same command may succeed later."""
    DEFECT = 70
    """A fault of the program itself (`EX_SOFTWARE` of sysexits.h)."""
    INTERRUPTED = 130
    """Ctrl-C."""
    PIPE_CLOSED = 141
    """The reader of the output has gone, as in `… | head`."""


UP = "start the stack with `starter.py up`"
NO_WORKER = (
    "No worker answers on the queue studio - Start one: worker.py --queues studio,kling,media, or `starter.py up`"
)
NO_SCHEMA = "The database has no tables of this version - Start a worker, it creates them: worker.py --queues studio"
_MISSING_TABLE, _MISSING_COLUMN = "42P01", "42703"
_TOO_LARGE = ("too large", "larger than max", "exceeds", "size limit")

_json: ContextVar[bool] = ContextVar("json", default=False)


@dataclass(frozen=True)
class Failure:
    """Why a command failed, for a person, and its exit code."""

    message: str
    code: ExitCode = ExitCode.FAILED


def end_with(failure: Failure, console: Console) -> NoReturn:
    """Say why the command failed on standard error, as JSON if the command was called with `--json`, and exit."""
    message = hide(failure.message)
    if _json.get():
        error = {"error": printable(message), "kind": failure.code.name.lower(), "exit_code": int(failure.code)}
        print(json.dumps(error), file=sys.stderr)
    else:
        console.print(message, style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(int(failure.code))


class CommandLine(TyperGroup):
    """The outermost command: no exception leaves it but `SystemExit`."""

    def main(self, args: Sequence[str] | None = None, *positional: Any, **options: Any) -> Any:
        """Run a command; see `ExitCode` for the exit status."""
        given = list(sys.argv[1:] if args is None else args)
        with _errors_as_json("--json" in given):
            try:
                if not _json.get():
                    return super().main(given, *positional, **options)
                code = super().main(given, *positional, **options | {"standalone_mode": False})
                sys.exit(code if isinstance(code, int) else 0)
            except BrokenPipeError:
                raise
            except (typer.Abort, KeyboardInterrupt):
                end_with(Failure("Interrupted", ExitCode.INTERRUPTED), _console())
            except Exception as error:
                end_with(explained(error), _console())


@contextmanager
def _errors_as_json(as_json: bool) -> Iterator[None]:
    token = _json.set(as_json)
    try:
        yield
    finally:
        _json.reset(token)


def _console() -> Console:
    return Console(stderr=True, markup=False, emoji=False)


def explained(error: BaseException) -> Failure:
    """The sentence for an exception that a command did not explain itself."""
    for kinds, explain in _KINDS:
        if isinstance(error, kinds):
            return explain(error)
    if (usage := getattr(error, "format_message", None)) is not None:  # a wrong option or argument
        return Failure(usage(), ExitCode.WRONG_INPUT)
    if state := getattr(error, "sqlstate", None):
        if state in (_MISSING_TABLE, _MISSING_COLUMN):
            return Failure(NO_SCHEMA, ExitCode.UNAVAILABLE)
        return Failure(f"PostgreSQL refused a value (SQLSTATE {state}): {error}", ExitCode.WRONG_INPUT)
    return _defect(error)


def _rpc(error: Any) -> Failure:
    """Temporal's own refusals. https://grpc.io/docs/guides/status-codes/"""
    text = str(error.message)
    if any(words in text.lower() for words in _TOO_LARGE):
        return Failure(f"Temporal refuses it as too large: {text} - Make several videos of it", ExitCode.WRONG_INPUT)
    match error.status:
        case RPCStatusCode.UNAVAILABLE:
            reason = f"Temporal does not answer: {text} - Check TEMPORAL_ADDRESS, or {UP}"
            return Failure(reason, ExitCode.UNAVAILABLE)
        case RPCStatusCode.DEADLINE_EXCEEDED | RPCStatusCode.CANCELLED | RPCStatusCode.FAILED_PRECONDITION:
            return Failure(NO_WORKER, ExitCode.UNAVAILABLE)
        case RPCStatusCode.NOT_FOUND if "namespace" in text.lower():
            return Failure(f"Temporal: {text} - Check TEMPORAL_NAMESPACE", ExitCode.WRONG_INPUT)
        case RPCStatusCode.NOT_FOUND if "already completed" in text:
            return Failure("It has ended already - See what came of it with `video status NAME`", ExitCode.WRONG_INPUT)
        case RPCStatusCode.NOT_FOUND:
            return Failure(f"Temporal does not know it: {text} - See `video list`", ExitCode.WRONG_INPUT)
        case RPCStatusCode.PERMISSION_DENIED | RPCStatusCode.UNAUTHENTICATED:
            return Failure(f"Temporal refuses us: {text} - Check TEMPORAL_API_KEY and TEMPORAL_NAMESPACE")
        case RPCStatusCode.RESOURCE_EXHAUSTED:
            return Failure(f"Temporal takes no more requests just now: {text} - Try again", ExitCode.UNAVAILABLE)
    return Failure(f"Temporal refused it ({error.status.name.lower()}): {text}")


def _database(error: Any) -> Failure:
    return Failure(f"{error} - Check DATABASE_URL, or {UP}", ExitCode.UNAVAILABLE)


def _objects(error: Any) -> Failure:
    return Failure(f"{error or 'The object store does not answer'} - Check OBJECT_STORE_URL", ExitCode.UNAVAILABLE)


def _os(error: Any) -> Failure:
    """A file that cannot be read or written, or a network that does not lead anywhere."""
    place = f"{error.filename}: " if error.filename else ""
    code = ExitCode.WRONG_INPUT if error.filename else ExitCode.FAILED
    return Failure(f"{place}{error.strerror or error}", code)


def _failed_workflow(error: Any) -> Failure:
    cause = error.cause
    if isinstance(cause, ApplicationError):
        code = ExitCode.WRONG_INPUT if cause.type == InvalidRequest.__name__ else ExitCode.FAILED
        return Failure(cause.message, code)
    return Failure(str(cause or error))


def _application(error: Any) -> Failure:
    """What our converter says of a payload that it cannot read."""
    return Failure(error.message, ExitCode.WRONG_INPUT if error.type == InvalidRequest.__name__ else ExitCode.FAILED)


def _value(error: Any) -> Failure:
    """NUL in a path, bytes that are not UTF-8, a number out of range: all of them come from what was given."""
    return Failure(f"This cannot be read: {error}", ExitCode.WRONG_INPUT)


def _defect(error: BaseException) -> Failure:
    """A fault of the program: the traceback goes into a file, for a report."""
    text = hide("".join(traceback.format_exception(error)))
    with tempfile.NamedTemporaryFile("w", prefix="longtake-", suffix=".txt", delete=False, encoding="utf-8") as file:
        file.write(text)
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Failure(f"A defect of this program: {words} - Report it with {file.name}", ExitCode.DEFECT)


_KINDS: Sequence[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], Failure]]] = (
    (DatabaseUnavailable, _database),
    ((ObjectStoreUnavailable, StorageUnavailable), _objects),
    ((InvalidRequest, MediaError), lambda error: Failure(str(error), ExitCode.WRONG_INPUT)),
    (StudioError, lambda error: Failure(f"{type(error).__name__}: {error}")),
    (SettingsInvalid, lambda error: Failure(str(error), ExitCode.WRONG_INPUT)),
    (ProcessFailed, lambda error: Failure(str(error))),
    (WorkflowAlreadyStartedError, lambda error: Failure("It is running already", ExitCode.WRONG_INPUT)),
    (WorkflowFailureError, _failed_workflow),
    (WorkflowUpdateFailedError, _failed_workflow),
    (ApplicationError, _application),
    (WorkflowQueryFailedError, lambda error: Failure(str(error))),
    (RPCTimeoutOrCancelledError, lambda error: Failure(NO_WORKER, ExitCode.UNAVAILABLE)),
    (RPCError, _rpc),
    (RecursionError, lambda error: Failure("This is nested too deeply to be read", ExitCode.WRONG_INPUT)),
    (TimeoutError, lambda error: Failure(f"No answer in time{f': {error}' if str(error) else ''} - Try again later")),
    (OSError, _os),
    (ValidationError, lambda error: Failure(complaint(error, root="input"), ExitCode.WRONG_INPUT)),
    ((ValueError, OverflowError), _value),
)
"""The kinds of exceptions and their sentences; the first that fits counts."""
