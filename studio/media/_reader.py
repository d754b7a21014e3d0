"""A reader: the child process of `studio.media._reading`. It limits itself, then answers calls over its pipes."""

import importlib
import os
import pickle
import resource
import struct
import sys
import threading
from typing import Any, BinaryIO

import av.audio.stream
import av.subtitles.stream
import av.video.stream

from studio.errors import StudioError
from studio.media import _reading, frames, length, probe, verify

_HEAD = struct.Struct("<Q")
_LOADED_LATER = (av.audio.stream, av.subtitles.stream, av.video.stream)
"""Parts of PyAV that it would load with the first file that needs them, when the limits hold already."""
_MODULES = {module.__name__ for module in (probe, verify, frames, length)}
"""Imported before the limits hold."""


def main() -> None:
    """Serve calls until standard input ends."""
    _reading.become_reader()
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints does not garble an answer
    _limit(int(sys.argv[1]))
    _write(answers, _reading.READY)
    while (request := _next(requests)) is not None:
        _write(answers, _answer(request))


def _limit(memory: int) -> None:
    """No more memory than this, no file written, no core file. A file that needs more is refused by the kernel."""
    threading.stack_size(1 << 20)
    for kind, most in ((resource.RLIMIT_DATA, memory), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
        resource.setrlimit(kind, (most, most))


def _write(answers: BinaryIO, value: Any) -> None:
    answer = pickle.dumps(value)
    answers.write(_HEAD.pack(len(answer)) + answer)
    answers.flush()


def _next(requests: BinaryIO) -> bytes | None:
    head = requests.read(_HEAD.size)
    return requests.read(_HEAD.unpack(head)[0]) if len(head) == _HEAD.size else None


def _answer(request: bytes) -> tuple[str, Any]:
    name, args, kwargs = pickle.loads(request)
    module, _, function = name.partition(":")
    if module not in _MODULES:
        return "failed", f"{module} is not for readers"
    try:
        return "value", getattr(importlib.import_module(module), function)(*args, **kwargs)
    except Exception as error:
        if _lacks_memory(error):
            return "memory", None
        if isinstance(error, StudioError):
            return "raised", (type(error).__name__, str(error), getattr(error, "fault", ""))
        return "failed", f"it cannot be read ({type(error).__name__}: {error})"


def _lacks_memory(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == 12:
            return True
        error = error.__cause__ or error.__context__
    return False


if __name__ == "__main__":
    main()
