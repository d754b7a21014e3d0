"""`starter.py …` called in this process: what it prints and its exit status.

A process of its own takes a second of a core before it does anything. What only a process shows (its environment,
signals, its last line) is tested with one.
"""

import contextvars
import functools
import io
import json
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

import typer.main

from starter import app


@dataclass
class Done:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The last line of its output, as JSON."""
        return json.loads(self.stdout.splitlines()[-1])


def run_command(arguments: Sequence[str]) -> Done:
    """Run `starter.py` with these arguments in a thread of its own, and wait for its end."""
    done: list[Done] = []
    thread = threading.Thread(target=lambda: done.append(_run(arguments)), name="starter.py")
    thread.start()
    thread.join()
    return done[0]


def _run(arguments: Sequence[str]) -> Done:
    output, errors = io.StringIO(), io.StringIO()
    with _printing_into(output, errors):
        code = _exit_status(arguments)
    return Done(code, output.getvalue(), errors.getvalue())


def _exit_status(arguments: Sequence[str]) -> int:
    try:
        _command().main(list(arguments), prog_name="starter.py")
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


@functools.cache
def _command() -> Any:
    return typer.main.get_command(app)


_printed: contextvars.ContextVar[tuple[TextIO, TextIO] | None] = contextvars.ContextVar("printed", default=None)
_lock = threading.Lock()
_commands = 0


class _Divided(io.TextIOBase):
    """A standard stream. What a command prints goes to the command's own text, everything else where it always went."""

    encoding = "utf-8"

    def __init__(self, usual: TextIO, place: int) -> None:
        self.usual = usual
        self._place = place

    def _target(self) -> TextIO:
        texts = _printed.get()
        return self.usual if texts is None else texts[self._place]

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        return self._target().write(text)

    def flush(self) -> None:
        self._target().flush()


@contextmanager
def _printing_into(output: TextIO, errors: TextIO) -> Iterator[None]:
    global _commands
    with _lock:
        _commands += 1
        if _commands == 1:
            sys.stdout, sys.stderr = _Divided(sys.stdout, 0), _Divided(sys.stderr, 1)
    token = _printed.set((output, errors))
    try:
        yield
    finally:
        _printed.reset(token)
        with _lock:
            _commands -= 1
            if not _commands:
                for name in ("stdout", "stderr"):
                    stream = getattr(sys, name)
                    setattr(sys, name, stream.usual)
