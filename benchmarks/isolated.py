"""A function over one file in a process of its own: what a hostile file does there stays there.

The process is forked from a server that has the modules loaded, so that a file costs milliseconds. It has a session
of its own (what it started ends with it), a limit on its memory and a limit on its time.
"""

import asyncio
import io
import multiprocessing
import os
import resource
import signal
import traceback
from collections.abc import Callable, Coroutine
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from studio.errors import StudioError

Kind = Literal["accepted", "refused", "traceback", "hang", "wedged"]
Door = Callable[[Path], Coroutine[Any, Any, str]]
"""Takes a file and returns a sentence about what came of it."""
LONGEST_SENTENCE = 600


class Refused(Exception):
    """The product does not take the file, and says why."""


@dataclass(frozen=True)
class Outcome:
    """What came of a file."""

    kind: Kind
    text: str

    @property
    def sentence(self) -> str:
        """In one line."""
        line = " | ".join(part.strip() for part in self.text.splitlines() if part.strip())
        return f"{self.kind}: {line[:LONGEST_SENTENCE]}"


def start_server(*modules: str) -> None:
    """Load modules once, for all processes that follow."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))


def run_isolated(door: Door, path: Path, *, seconds: float, megabytes: int) -> Outcome:
    """Run a door over a file. Blocking: call it in a thread.

    Args:
        seconds: after which it counts as a hang and is killed.
        megabytes: memory of the process and of each process it starts.
    """
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(theirs, door, path, megabytes))
    process.start()
    theirs.close()
    try:
        return _heard(ours, seconds)
    finally:
        ours.close()
        if process.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.join()
        process.close()


def outcome_of(work: Coroutine[Any, Any, str]) -> Outcome:
    """Run a coroutine to its end; whatever it raises besides our errors is a traceback."""
    try:
        return Outcome("accepted", asyncio.run(work))
    except Refused as refused:
        return Outcome("refused", str(refused))
    except StudioError as error:
        return Outcome("refused", f"{type(error).__name__}: {error}")
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return Outcome("traceback", f"{type(error).__name__} in {where}: {str(error)[:200]}")


def _heard(ours: "Connection[Any, Any]", seconds: float) -> Outcome:
    if not ours.poll(seconds):
        return Outcome("hang", f"no answer within {seconds:g} s")
    try:
        kind, text = ours.recv()
    except EOFError:
        return Outcome("traceback", "its process ended without an answer")
    return Outcome(kind, text)


def _child(theirs: "Connection[Any, Any]", door: Door, path: Path, megabytes: int) -> None:
    os.setsid()
    for limit, value in ((resource.RLIMIT_DATA, megabytes << 20), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        outcome = outcome_of(door(path))
    theirs.send((outcome.kind, outcome.text))
    theirs.close()
