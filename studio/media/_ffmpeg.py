"""The only place that starts ffmpeg: `run` for whole commands, `feed` for frames that are drawn here.

Both give ffmpeg a process group of its own and an environment without our settings, keep only the end of what it says
on stderr, take nothing but exit status 0 for success, and leave no process behind, however they are left: when this
process is killed, the kernel kills ffmpeg.
"""

import asyncio
import errno
import os
import select
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg

from studio.errors import FfmpegFailed, MediaError, WorkFolderFull
from studio.subprocesses import bare_environment, ending_with_parent

GRACE_SECONDS = 3.0
"""How long ffmpeg may take to end after SIGTERM before it is killed."""

TAIL_BYTES = 65_536
"""How much of stderr is kept: enough for every line that names a cause, whatever a broken file provokes."""

_PIPE_BYTES = 1 << 20
"""Room between renderer and encoder, so that one works while the other does (Linux; elsewhere ignored)."""

_FULL = os.strerror(errno.ENOSPC)
"""What ffmpeg says of a disk without space."""

_ALWAYS = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y")


def binary() -> str:
    """The ffmpeg executable: `IMAGEIO_FFMPEG_EXE` if set, else the one that came with imageio-ffmpeg."""
    path: str = imageio_ffmpeg.get_ffmpeg_exe()
    return path


def picture_of(path: Path, **options: str) -> Any:
    """The video of a file as an ffmpeg-python stream; a cover picture is none.

    The name is given as `file:…`: ffmpeg would take `a:b.mp4` for a protocol and `-a.mp4` for an option.
    """
    return ffmpeg.input(f"file:{path}", **options)["V:0"]


async def run(argv: Sequence[str], *, on_frame: Callable[[int], None] | None = None) -> str:
    """Run one ffmpeg command, `argv[0]` being the executable, and return the end of its stderr.

    `on_frame` hears how many frames are written, about twice a second. Raises `FfmpegFailed` with ffmpeg's last
    lines unless it exits with 0; exit status 0 alone promises little, so callers look at what was written.
    When the caller is cancelled ffmpeg is told to end, killed three seconds later, and the cancellation goes on.
    """
    process = await asyncio.create_subprocess_exec(
        *_command(argv, "-progress", "pipe:1"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
        env=bare_environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    tail = bytearray()
    # Both pipes are read at once: ffmpeg stops for good when nobody empties one of them (64 KiB).
    readers = [
        asyncio.create_task(_follow_progress(process.stdout, on_frame)),
        asyncio.create_task(_keep_tail(process.stderr, tail)),
    ]
    try:
        await asyncio.gather(*readers)
        await process.wait()
    finally:
        await _end(process)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    return _checked(process.returncode, bytes(tail))


def feed(argv: Sequence[str], frames: Iterable[Iterable[bytes]], *, stop: threading.Event | None = None) -> str:
    """Run ffmpeg with raw frames on its stdin (`pipe:0`) and return the end of its stderr.

    Each frame is a series of planes, written one after the other. Blocking and CPU bound because `frames` is: call
    it in a thread. Setting `stop` from another thread ends it at once, also while ffmpeg takes no more data: it
    raises `MediaError` ("the rendering was stopped"). Raises `FfmpegFailed` as `run` does.
    """
    # stderr goes to a file: nobody could empty a pipe while this thread waits for ffmpeg to take a frame.
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            _command(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            env=bare_environment(),
            pipesize=_PIPE_BYTES,
        )
        assert process.stdin is not None
        try:
            _write_frames(process.stdin.fileno(), frames, stop)
            process.stdin.close()
            _wait(process, stop)
        finally:
            _end_now(process)
        log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
        return _checked(process.returncode, log.read())


def _command(argv: Sequence[str], *more: str) -> list[str]:
    return ending_with_parent([argv[0], *_ALWAYS, *more, *argv[1:]])


def _checked(code: int | None, tail: bytes) -> str:
    text = tail.decode(errors="replace").strip()
    if code != 0 and _FULL in text:
        raise WorkFolderFull
    if code != 0:
        last = "\n".join(text.splitlines()[-8:])
        raise FfmpegFailed(f"ffmpeg ended with status {code}: {last or 'it said nothing'}")
    return text


async def _follow_progress(stdout: asyncio.StreamReader, on_frame: Callable[[int], None] | None) -> None:
    async for line in stdout:
        key, _, value = line.decode(errors="replace").strip().partition("=")
        if on_frame is not None and key == "frame" and value.isdecimal():
            on_frame(int(value))


async def _keep_tail(stderr: asyncio.StreamReader, tail: bytearray) -> None:
    while chunk := await stderr.read(8_192):
        tail.extend(chunk)
        del tail[:-TAIL_BYTES]


async def _end(process: asyncio.subprocess.Process) -> None:
    """No process is left when this returns, also when we are cancelled a second time while waiting."""
    if process.returncode is not None:
        return
    _signal_group(process.pid, signal.SIGTERM)
    try:
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()


def _end_now(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    if process.poll() is not None:
        return
    _signal_group(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal_group(process.pid, signal.SIGKILL)
        process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        pass  # it ended by itself in the meantime


def _write_frames(pipe: int, frames: Iterable[Iterable[bytes]], stop: threading.Event | None) -> None:
    os.set_blocking(pipe, False)
    room = select.poll()  # not select(): that fails above file descriptor 1023
    room.register(pipe, select.POLLOUT)
    for planes in frames:
        for plane in planes:
            if not _write(pipe, room, memoryview(plane), stop):
                return  # ffmpeg is gone; its exit status and stderr say why


def _write(pipe: int, room: select.poll, data: memoryview, stop: threading.Event | None) -> bool:
    """Whether everything was taken; false when nobody reads any more."""
    while data:
        _raise_if_set(stop)
        if not room.poll(100):
            continue  # ffmpeg is busy: look at `stop` again
        try:
            data = data[os.write(pipe, data) :]
        except BrokenPipeError:
            return False
    return True


def _wait(process: subprocess.Popen[bytes], stop: threading.Event | None) -> None:
    while True:
        _raise_if_set(stop)
        try:
            process.wait(0.1)
            return
        except subprocess.TimeoutExpired:
            continue


def _raise_if_set(stop: threading.Event | None) -> None:
    if stop is not None and stop.is_set():
        raise MediaError("the rendering was stopped")
