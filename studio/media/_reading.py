"""Files of strangers are read in child processes with a memory limit and an environment without secrets.

627 bytes of MP4 can ask for 2.9 GB. A reader lives on between calls: a call costs a millisecond more than in this
process, starting a reader a second. One that dies, hangs or runs out of memory is replaced.
"""

import atexit
import functools
import io
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from studio.errors import ClipUnreadable, MediaError, StorageUnavailable, StudioError, error_types
from studio.subprocesses import bare_environment, ending_with_parent

MEMORY_BYTES = 1 << 30
"""What a reader may allocate. Decoding 4K takes a third of it."""
LONGEST_SECONDS = 300.0
"""How long one call may take. A clip of ten seconds takes one to three."""
MOST_READERS = 4
"""Readers of one process at a time; further calls wait."""
_MOST_ANSWER = 512 << 20
"""Bytes of an answer: a frame of 8K is 100 MB."""
READY = "ready"
"""What a reader says first."""
_HEAD = struct.Struct("<Q")
_VALUES = {
    ("fractions", "Fraction"),
    ("studio.media.probe", "MediaInfo"),
    ("studio.media.probe", "ColourTags"),
    ("studio.media.verify", "Examined"),
    ("studio.media.verify", "Fault"),
}
"""The classes an answer may hold: a reader that a file has taken over must not run code here."""

P = ParamSpec("P")
R = TypeVar("R")

_is_reader = False


def become_reader() -> None:
    """Call functions here from now on: this process is a reader."""
    global _is_reader
    _is_reader = True


def in_reader(error: type[MediaError] = ClipUnreadable) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Run a function of `studio.media`, whose first argument is the path of a file, in a reader. Blocking.

    The function raises what it always does, and `error` in words when the file takes too much memory or time, ends
    its reader, or makes PyAV fail in a way of its own.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"{function.__module__}:{function.__qualname__}"

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if _is_reader:
                return function(*args, **kwargs)
            answer: R = _READERS.call(name, args, kwargs, error)
            return answer

        return call

    return decorate


class _NoAnswer(Exception):
    """A reader gave no answer because of the file; the message says why, as the end of a sentence."""


class _TooSlow(_NoAnswer):
    """It took too long."""


class _Reader:
    """One child process that serves one call at a time."""

    def __init__(self) -> None:
        root = str(Path(__file__).resolve().parents[2])
        # Numerical libraries start a thread per core, and each costs memory.
        env = bare_environment() | {"PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        argv = [sys.executable, "-m", "studio.media._reader", str(MEMORY_BYTES)]
        self._child = subprocess.Popen(
            ending_with_parent(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, start_new_session=True
        )
        self.served = 0
        try:
            ready = self._answer(time.monotonic() + LONGEST_SECONDS)
        except (_NoAnswer, StorageUnavailable):
            ready = None
        if ready != READY:
            self.end()
            raise StorageUnavailable("The process that reads media files does not start")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    def call(self, request: bytes, seconds: float) -> Any:
        """Have one call answered.

        Raises:
            _NoAnswer: the file ended it, or kept it busy too long. The reader is of no use then.
            StorageUnavailable: it was killed from outside.
        """
        assert self._child.stdin is not None
        self.served += 1
        try:
            self._child.stdin.write(_HEAD.pack(len(request)) + request)
            self._child.stdin.flush()
        except OSError:
            raise self._death() from None
        return self._answer(time.monotonic() + seconds)

    def _answer(self, deadline: float) -> Any:
        assert self._child.stdout is not None
        pipe = self._child.stdout.fileno()
        (length,) = _HEAD.unpack(self._received(pipe, _HEAD.size, deadline))
        if length > _MOST_ANSWER:
            raise _NoAnswer("makes the process that reads it answer nonsense")
        content = self._received(pipe, length, deadline)
        try:
            return _Answers(io.BytesIO(content)).load()
        except Exception as nonsense:  # pickle raises whatever the bytes lead to
            raise _NoAnswer("makes the process that reads it answer nonsense") from nonsense

    def _received(self, pipe: int, length: int, deadline: float) -> bytes:
        content = bytearray()
        ready = select.poll()
        ready.register(pipe, select.POLLIN)
        while len(content) < length:
            left = deadline - time.monotonic()
            if left <= 0 or not ready.poll(left * 1000):
                raise _TooSlow(f"cannot be read within {LONGEST_SECONDS:.0f} seconds")
            chunk = os.read(pipe, min(length - len(content), 1 << 20))
            if not chunk:
                raise self._death()
            content += chunk
        return bytes(content)

    def _death(self) -> Exception:
        """Why it has ended. SIGKILL is no doing of a file: the system wants its memory, or a person did it."""
        if self._child.wait() == -signal.SIGKILL:
            return StorageUnavailable("The process that reads media files was killed")
        return _NoAnswer("ends the process that reads it")

    def end(self) -> None:
        """Kill it. Nothing is lost."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:
                    pass  # what was written last is not flushed any more


class _Readers:
    """The readers of this process: as many as there are calls at a time, up to a limit."""

    def __init__(self) -> None:
        self._free: list[_Reader] = []
        self._slots = threading.BoundedSemaphore(MOST_READERS)
        self._lock = threading.Lock()
        self._starting: ThreadPoolExecutor | None = None

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], error: type[MediaError]) -> Any:
        request = pickle.dumps((name, args, kwargs))
        path = Path(str(args[0]))
        with self._slots:
            while True:
                reader = self._take()
                try:
                    kind, value = reader.call(request, LONGEST_SECONDS)
                except BaseException as failed:
                    reader.end()
                    if _is_used_up(reader, failed):
                        continue
                    if isinstance(failed, _NoAnswer):
                        raise error(f"{path.name}: it {failed}") from None
                    raise
                if kind in ("value", "raised"):
                    self._give_back(reader)
                    return _result(kind, value)
                reader.end()
                if reader.served == 1:
                    how = f"reading it takes more than {MEMORY_BYTES >> 20} MB of memory" if kind == "memory" else value
                    raise error(f"{path.name}: {how}")

    def end(self) -> None:
        """Kill the readers that serve no call."""
        with self._lock:
            free, self._free = self._free, []
        for reader in free:
            reader.end()

    def pids(self) -> list[int]:
        """The process ids of the readers that serve no call."""
        return [reader.pid for reader in self._free]

    def _take(self) -> _Reader:
        with self._lock:
            if self._free:
                return self._free.pop()
            # One thread starts them all, and never ends: the kernel ends a child with the thread that started it.
            self._starting = self._starting or ThreadPoolExecutor(1, thread_name_prefix="readers")
            starting = self._starting
        return starting.submit(_Reader).result()

    def _give_back(self, reader: _Reader) -> None:
        with self._lock:
            self._free.append(reader)


def _is_used_up(reader: _Reader, failed: BaseException) -> bool:
    """Files before this one may have spent the reader, or it died while it was idle: a fresh one is asked again."""
    return reader.served > 1 and isinstance(failed, _NoAnswer | StorageUnavailable) and not isinstance(failed, _TooSlow)


class _Answers(pickle.Unpickler):
    """Reads plain values and those of `_VALUES`, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _VALUES:
            raise pickle.UnpicklingError(f"{module}.{name}")
        return super().find_class(module, name)


def _result(kind: str, value: Any) -> Any:
    if kind == "value":
        return value
    name, message, fault = value
    known: dict[str, type[StudioError]] = {one.__name__: one for one in error_types()}
    raised = known[name](message)
    if fault:
        raised.fault = fault  # type: ignore[attr-defined]  # BadClip's
    raise raised


_READERS = _Readers()
atexit.register(_READERS.end)
