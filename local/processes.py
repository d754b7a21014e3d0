"""Child processes: started with a log file, stopped by their own pid, gone when we are."""

import asyncio
import ctypes
import itertools
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_OUR_PORTS = range(16_384, 32_768)
STOP_SECONDS = 20.0
"""How long a child may take to end after SIGTERM before it is killed."""


class ProcessFailed(Exception):
    """A child did not start, or ended when it should not have."""


class Process:
    """One child process and its log."""

    def __init__(self, name: str, child: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self._child = child
        self._log = log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Has it not ended yet?"""
        return self._child.returncode is None

    @property
    def stdout(self) -> asyncio.StreamReader:
        """What it says, when it was started with `listen`."""
        assert self._child.stdout is not None
        return self._child.stdout

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone: a crash."""
        if self.running:
            self._child.kill()
        await self._child.wait()

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end; kill it when it does not."""
        if self.running:
            self._child.send_signal(how)
        try:
            await asyncio.wait_for(self._child.wait(), STOP_SECONDS)
        except TimeoutError:
            await self.kill()

    async def until(self, ready: Callable[[], "asyncio.Future[bool] | bool"], *, seconds: float = 30) -> None:
        """Wait until `ready` says so.

        Raises:
            ProcessFailed: it ended first, or took too long; the end of its log is quoted.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            answer = ready()
            if (await answer) if asyncio.isfuture(answer) else answer:
                return
            if not self.running or asyncio.get_running_loop().time() > deadline:
                state = "is not ready" if self.running else f"ended with {self._child.returncode}"
                raise ProcessFailed(f"{self.name} {state}:\n{self.last_words()}")
            await asyncio.sleep(0.05)

    def last_words(self, length: int = 2_000) -> str:
        """The end of its log."""
        try:
            return self._log.read_text(errors="replace")[-length:]
        except OSError:
            return ""


async def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    listen: bool = False,
) -> Process:
    """Start a child in a session of its own, so that Ctrl-C reaches us and we end it in our order."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        child = await asyncio.create_subprocess_exec(
            *map(str, argv),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if listen else file,
            stderr=file,
            env={**os.environ, **(env or {})},
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
    return Process(name, child, log)


def free_port(preferred: int | None = None) -> int:
    """A free port on the loopback interface; the preferred one if it is free.

    Never one of those that the system gives to outgoing connections (Linux: from 32768): such a port may be taken
    by anybody's connection between our look and the server's start.

    Raises:
        ProcessFailed: a thousand ports were tried and none was free.
    """
    candidates = (secrets.choice(_OUR_PORTS) for _ in range(1_000))
    for port in candidates if preferred is None else itertools.chain([preferred], candidates):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise ProcessFailed("no free port")


def listening(port: int) -> bool:
    """Does somebody listen on this port of the loopback interface?"""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _die_with_parent() -> None:
    """In the child, before it becomes its program: end when the parent does, even if that is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
