"""Children of ours: they have a log, end when they are told to, and do not outlive us."""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from local.processes import Process, ProcessFailed, free_port, listening, spawn
from local.stack import ROOT
from tests.studio_at_work import eventually

Start = Callable[..., Awaitable[Process]]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Starts Python programs, which are gone at the end of the test."""
    async with AsyncExitStack() as stack:

        async def begin(program: str, *, listen: bool = False, **env: str) -> Process:
            argv = [sys.executable, "-u", "-c", program]
            process = await spawn("the child", argv, log=tmp_path / "logs" / "child.log", env=env, listen=listen)
            stack.push_async_callback(process.kill)
            return process

        yield begin


WAITS = "import time; print('waiting'); time.sleep(600)"


async def waiting(start: Start, program: str = WAITS) -> Process:
    """A child that is past its beginning."""
    process = await start(program)
    await process.until(lambda: "waiting" in process.last_words())
    return process


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ── beginning ────────────────────────────────────────────────────────────


async def test_what_a_child_says_goes_to_its_log_and_later_children_add_to_it(start: Start) -> None:
    for word in ("one", "two"):
        process = await start(f"import sys; print('{word}'); print('{word} too', file=sys.stderr)")
        await process.until(lambda process=process: not process.running)  # type: ignore[misc]  # bound early
    assert process.last_words().splitlines() == ["one", "one too", "two", "two too"]


async def test_what_a_child_says_to_us_does_not_go_to_its_log(start: Start) -> None:
    process = await start("import sys; print('ready'); print('a line', file=sys.stderr)", listen=True)
    assert await process.stdout.readline() == b"ready\n"
    await process.until(lambda: "a line" in process.last_words())
    assert process.last_words() == "a line\n"


async def test_settings_are_added_to_the_environment(start: Start) -> None:
    process = await start("import os; print(os.environ['KIE_SPEED'], 'PATH' in os.environ)", KIE_SPEED="25")
    await process.until(lambda: process.last_words() == "25 True\n")


async def test_a_ctrl_c_at_the_terminal_does_not_reach_a_child(start: Start) -> None:
    """It goes to the terminal's process group; we end our children in our own order."""
    process = await waiting(start)
    assert os.getsid(process.pid) == os.getpgid(process.pid) == process.pid != os.getsid(0)


# ── waiting ──────────────────────────────────────────────────────────────


async def test_one_may_wait_until_a_child_is_ready(start: Start) -> None:
    process = await start("import time; time.sleep(0.2); print('ready'); time.sleep(600)")

    async def ready() -> bool:
        return "ready" in process.last_words()

    await process.until(lambda: asyncio.ensure_future(ready()))
    assert process.running


async def test_a_child_that_ends_instead_is_reported_with_the_end_of_its_log(start: Start) -> None:
    process = await start("import sys; print('x' * 5_000); print('no such file: pg_hba.conf'); sys.exit(7)")
    with pytest.raises(ProcessFailed, match=r"^the child ended with 7:\n") as failure:
        await process.until(lambda: False)
    assert str(failure.value).endswith("no such file: pg_hba.conf\n")
    assert len(str(failure.value)) < 2_100


async def test_a_child_that_takes_too_long_is_reported_with_its_log(start: Start) -> None:
    process = await waiting(start)
    with pytest.raises(ProcessFailed, match=r"^the child is not ready:\nwaiting\n$"):
        await process.until(lambda: False, seconds=0.1)
    assert process.running


# ── ending ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
async def test_a_child_is_asked_to_end_and_has_time_for_it(start: Start, how: signal.Signals) -> None:
    obedient = "(time.sleep(0.3), print('bye'), sys.exit(0))"
    program = f"import signal, sys, time; signal.signal({how.value}, lambda *_: {obedient}); {WAITS}"
    process = await waiting(start, program)
    await process.stop(how)
    assert not process.running
    assert process.last_words().splitlines()[-1] == "bye"
    await process.stop(how)


async def test_a_kill_is_a_crash(start: Start) -> None:
    process = await waiting(start, f"import atexit; atexit.register(print, 'bye'); {WAITS}")
    await process.kill()
    assert not process.running
    assert gone(process.pid)
    assert "bye" not in process.last_words()
    await process.kill()
    await process.stop()


HELPER = """
import asyncio, sys
from pathlib import Path
from local.processes import spawn

async def main():
    child = await spawn("sleeper", ["sleep", "600"], log=Path(sys.argv[1]))
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HELPER, str(tmp_path / "sleeper.log")]
    parent = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    sleeper = int(await parent.stdout.readline())
    assert not gone(sleeper)
    parent.kill()
    await parent.wait()
    await eventually(lambda: _gone(sleeper), bool)


async def _gone(pid: int) -> bool:
    return gone(pid)


# ── ports ────────────────────────────────────────────────────────────────


def test_a_free_port_is_the_preferred_one_if_that_is_free() -> None:
    port = free_port()
    assert not listening(port)
    assert free_port(port) == port
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", port))
        somebody.listen()
        assert listening(port)
        assert free_port(port) != port


def test_a_free_port_is_none_that_a_connection_may_take_before_the_server_does() -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert not [port for port in (free_port() for _ in range(200)) if first <= port <= last]


def test_two_ports_are_two() -> None:
    began = time.monotonic()
    assert len({free_port() for _ in range(20)}) > 1
    assert time.monotonic() - began < 60
