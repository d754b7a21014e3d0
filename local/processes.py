"""Child processes: started with a log file, stopped by their own pid, gone when we are."""

import asyncio
import itertools
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from studio.subprocesses import bare_environment, ending_with_parent

_OUR_PORTS = range(16_384, 32_768)
STOP_SECONDS = 20.0
"""How long a server may take to end after SIGTERM before it is killed. Workers have their own grace period."""


class ProcessFailed(Exception):
    """A child did not start, or ended when it should not have."""


class Process:
    """One child process and its log."""

    def __init__(self, name: str, child: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        """Where it writes what it has to say."""
        self._child = child

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def running(self) -> bool:
        """Has it not ended yet?"""
        return self._child.returncode is None

    @property
    def alive(self) -> bool:
        """Ask the system whether it runs: it may have ended a moment ago, before `ended` returned."""
        if self._child.returncode is not None:
            return False
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False

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

    def kill_now(self) -> None:
        """SIGKILL without waiting: `stop` or `ended`, if one waits, returns."""
        if self.running:
            self._child.kill()

    async def ended(self) -> str:
        """Wait until it has ended; returns how, as a phrase: "was killed by SIGKILL", "ended with status 1"."""
        code = await self._child.wait()
        if code >= 0:
            return f"ended with status {code}"
        return f"was killed by {signal.Signals(-code).name if -code in set(signal.Signals) else f'signal {-code}'}"

    async def stop(self, how: signal.Signals = signal.SIGTERM, *, seconds: float = STOP_SECONDS) -> None:
        """Ask it to end; kill it when it has not after so many seconds."""
        if self.running:
            self._child.send_signal(how)
        try:
            await asyncio.wait_for(self._child.wait(), seconds)
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
            return self.log.read_text(errors="replace")[-length:]
        except OSError:
            return ""


async def spawn(
    name: str,
    argv: Sequence[str | Path],
    *,
    log: Path,
    env: Mapping[str, str] | None = None,
    listen: bool = False,
    parent_died: signal.Signals = signal.SIGTERM,
    holding: Sequence[int] = (),
) -> Process:
    """Start a child in a session of its own, so that Ctrl-C reaches us and we end it in our order.

    Args:
        env: its environment, besides PATH and what else every program needs. Nothing else of ours reaches it.
        listen: its standard output comes to us and not into its log.
        parent_died: the signal it gets when this process ends, even by SIGKILL.
        holding: file descriptors it keeps open.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        child = await asyncio.create_subprocess_exec(
            *ending_with_parent(argv, parent_died),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE if listen else file,
            stderr=file,
            env=bare_environment() | dict(env or {}),
            start_new_session=True,
            pass_fds=holding,
        )
    return Process(name, child, log)


@asynccontextmanager
async def gone_if_failing(process: Process) -> AsyncIterator[None]:
    """A child that does not come up in this block is killed, whatever the reason."""
    try:
        yield
    except BaseException:
        await process.kill()
        raise


def free_port(preferred: int | None = None) -> int:
    """A free port on the loopback interface; the preferred one if it is free.

    Never one of those that the system gives to outgoing connections (Linux: from 32768): such a port may be taken
    by any connection between our look and the server's start. A port whose last connections are only closing
    (TIME_WAIT) is free: servers are started with SO_REUSEADDR, and so is the look.

    Raises:
        ProcessFailed: a thousand ports were tried and none was free.
    """
    candidates = (secrets.choice(_OUR_PORTS) for _ in range(1_000))
    for port in candidates if preferred is None else itertools.chain([preferred], candidates):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
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
