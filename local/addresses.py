"""What a data directory knows of its stack: who holds it, which ports it uses, and how a running one is reached."""

import asyncio
import fcntl
import json
import os
import secrets
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from local.processes import ProcessFailed, free_port

ADDRESSES = "stack.json"
"""In the data directory while a stack runs: how to reach it."""
PORTS = "ports.json"
"""In the data directory for ever: the ports of the last stack, which the next one takes again."""
DATA_VARIABLE = "LONGTAKE_DATA"
"""Environment variable that names the data directory of the stack to talk to."""
PREDECESSOR_SECONDS = 150.0
"""How long the processes of a killed stack may take to end: the grace period of its workers and a little more."""

_HELD = ".children"


class DataDirectory:
    """One data directory, held by one stack."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held_by_children = -1
        """A file descriptor that children inherit: its lock is free when the last one of them has ended."""

    def hold(self) -> IO[str]:
        """Lock it for this process, for as long as the returned file is open. It is readable by its owner only.

        Raises:
            ProcessFailed: another stack runs there, or it cannot be used.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.chmod(0o700)  # it holds passwords, stills and videos
            file = (self.path / ".lock").open("w")
        except OSError as error:
            raise ProcessFailed(f"{self.path} cannot be used as data directory: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise ProcessFailed(f"another stack runs on {self.path}") from None
        return file

    async def wait_for_predecessors(self, *, seconds: float = PREDECESSOR_SECONDS) -> IO[str]:
        """Wait until the processes of a stack that was killed here have ended; they use the same files and ports.

        Raises:
            ProcessFailed: they have not ended after so many seconds.
        """
        file = (self.path / _HELD).open("w")
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    file.close()
                    raise ProcessFailed(
                        f"processes of a stack that was killed still use {self.path}: wait until they have ended"
                    ) from None
            await asyncio.sleep(0.1)
        self.held_by_children = file.fileno()
        return file

    def publish(self, environment: Mapping[str, str], ui_url: str) -> None:
        """Write down how the running stack is reached; readable by its owner only, it holds passwords."""
        value = {**environment, "ui_url": ui_url, "pid": os.getpid()}
        write_private(self.path / ADDRESSES, json.dumps(value, indent=1))

    def secret(self, name: str) -> str:
        """A secret of this data directory, made once: orders of yesterday may still be called back about."""
        path = self.path / name
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text()


class Ports:
    """The ports of a stack: those it had last time where they are free, so that addresses stay what they were."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = {name: port for name, port in _read(path).items() if type(port) is int and 0 < port < 65_536}
        self._reserved: list[IO[str]] = []
        self.moved: list[str] = []
        """A sentence for each port that is another one than people expect."""

    def take(self, name: str, usual: int | None = None) -> int:
        """A free port for this purpose: last time's, else the usual one, else any.

        It is reserved until `release`: of two stacks that start at the same moment only one gets the usual port. The
        other would take the server that answers there for its own.
        """
        expected = self._known.get(name) or usual
        port = free_port(expected)
        while not self._reserve(port):
            port = free_port()
        if expected and port != expected:
            self.moved.append(f"Port {expected} ({name}) is used by another program; this time it is {port}")
        # The one people know stays remembered while another program has it.
        self._known.setdefault(name, expected or port)
        return port

    def _reserve(self, port: int) -> bool:
        """Lock the port among this user's stacks. False: one of them has it."""
        folder = Path(tempfile.gettempdir()) / f"longtake-ports-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        file = (folder / str(port)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return False
        self._reserved.append(file)
        return True

    def release(self) -> None:
        """Let other stacks have them."""
        for file in self._reserved:
            file.close()
        self._reserved.clear()

    def remember(self) -> None:
        """Write them down for the next stack here."""
        write_private(self._path, json.dumps(self._known, indent=1))


def read_addresses(data: Path) -> dict[str, str]:
    """The settings of the stack that runs on `data`; empty when none does, or only what a killed one left."""
    found = _read(data / ADDRESSES)
    pid = found.get("pid")
    if isinstance(pid, int) and not _alive(pid):
        return {}
    return {name: value for name, value in found.items() if name.isupper() and isinstance(value, str)}


def data_directory(asked: Path, usual: Path) -> Path:
    """The data directory a command means: the one it names, else that of the stack a person expects.

    Looked for in this order, where no other than the usual one is asked for: the environment, this folder and those
    above it, the stack that was started last by this user.
    """
    if asked != usual:
        return asked
    if named := os.environ.get(DATA_VARIABLE):
        return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if read_addresses(folder / usual):
            return folder / usual
    last = _last_started()
    return last if last is not None and read_addresses(last) else asked


def announce(data: Path) -> None:
    """Remember, for commands in other folders, that this user's newest stack runs on `data`."""
    with suppress(OSError):  # a home that cannot be written to is no reason not to start
        path = _announcement()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, json.dumps({"data": str(data.resolve())}))


def _last_started() -> Path | None:
    named = _read(_announcement()).get("data")
    return Path(named) if isinstance(named, str) else None


def _announcement() -> Path:
    """XDG's place for state that outlives a restart and is no configuration."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "longtake" / "newest_stack.json"


def write_private(path: Path, text: str) -> None:
    """Write a whole file that only its owner can read, or leave the old one."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    part.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
