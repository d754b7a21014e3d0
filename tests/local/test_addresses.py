"""What a data directory remembers, and which stack a command means."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.addresses import ADDRESSES, DataDirectory, Ports, announce, data_directory, read_addresses
from local.processes import ProcessFailed, free_port

USUAL = Path("data")


def stack_on(data: Path, *, pid: int | None = None, **settings: str) -> Path:
    """What a running stack writes down."""
    data.mkdir(parents=True, exist_ok=True)
    (data / ADDRESSES).write_text(json.dumps({"TEMPORAL_ADDRESS": "x:1", "pid": pid or os.getpid(), **settings}))
    return data


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


# ── ports ────────────────────────────────────────────────────────────────


@pytest.fixture
def ports_of() -> Iterator[Callable[[Path], Ports]]:
    """Ports by their file; all are released at the end."""
    with ExitStack() as stack:

        def made(path: Path) -> Ports:
            ports = Ports(path)
            stack.callback(ports.release)
            return ports

        yield made


def test_a_port_whose_connections_are_only_closing_is_free() -> None:
    """A server that ended a moment ago leaves them in TIME_WAIT for a minute."""
    port = free_port()
    with socket.create_server(("127.0.0.1", port)) as server:
        client = socket.create_connection(("127.0.0.1", port))
        accepted, _ = server.accept()
        accepted.close()  # who closes first waits
        assert client.recv(1) == b""
        client.close()
    assert free_port(port) == port


def test_ports_are_the_same_next_time_and_one_that_is_taken_comes_back_later(
    tmp_path: Path, ports_of: Callable[[Path], Ports]
) -> None:
    usual = free_port()
    first = ports_of(tmp_path / "ports.json")
    taken = {"Temporal": first.take("Temporal", usual), "gateway": first.take("gateway")}
    first.remember()
    first.release()
    assert taken["Temporal"] == usual
    with socket.create_server(("127.0.0.1", usual)):
        second = ports_of(tmp_path / "ports.json")
        other = second.take("Temporal", usual)
        assert other != usual
        assert second.moved == [f"Port {usual} (Temporal) is used by another program; this time it is {other}"]
        second.remember()
    third = ports_of(tmp_path / "ports.json")
    assert {name: third.take(name) for name in taken} == taken
    assert third.moved == []


def test_of_two_stacks_that_start_together_one_gets_the_usual_port(
    tmp_path: Path, ports_of: Callable[[Path], Ports]
) -> None:
    """Neither of them listens there yet. The other must not take the first one's server for its own."""
    usual = free_port()
    first, second = ports_of(tmp_path / "first.json"), ports_of(tmp_path / "second.json")
    assert first.take("Temporal", usual) == usual
    assert second.take("Temporal", usual) != usual
    assert len(second.moved) == 1
    first.release()
    assert ports_of(tmp_path / "third.json").take("Temporal", usual) == usual


def test_ports_that_are_no_ports_are_forgotten(tmp_path: Path, ports_of: Callable[[Path], Ports]) -> None:
    for broken in ("", "[1]", '{"Temporal": "7233"}', '{"Temporal": 70000}', '{"Temporal": true}'):
        (tmp_path / "ports.json").write_text(broken)
        assert 0 < ports_of(tmp_path / "ports.json").take("Temporal") < 65_536, broken


def test_no_port_is_given_twice(tmp_path: Path, ports_of: Callable[[Path], Ports]) -> None:
    port = free_port()
    (tmp_path / "ports.json").write_text(json.dumps({"one": port, "two": port}))
    ports = ports_of(tmp_path / "ports.json")
    assert ports.take("one") != ports.take("two")


# ── the directory ────────────────────────────────────────────────────────


def test_a_data_directory_is_for_its_owner_only_whatever_it_was_before(tmp_path: Path) -> None:
    open_to_all = tmp_path / "old"
    open_to_all.mkdir(mode=0o755)
    for path in (open_to_all, tmp_path / "deep" / "new"):
        DataDirectory(path).hold().close()
        assert path.stat().st_mode & 0o777 == 0o700, path


def test_what_cannot_be_a_data_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ProcessFailed, match="cannot be used as data directory"):
            DataDirectory(path).hold()


async def test_a_stack_waits_for_the_processes_of_one_that_was_killed(tmp_path: Path) -> None:
    """They hold the same ports and the same database."""
    first, second = DataDirectory(tmp_path), DataDirectory(tmp_path)
    held = await first.wait_for_predecessors()
    sleeper = await asyncio.create_subprocess_exec("sleep", "600", pass_fds=[first.held_by_children])
    held.close()  # the parent is gone, its child is not
    with pytest.raises(ProcessFailed, match="processes of a stack that was killed"):
        await second.wait_for_predecessors(seconds=0)
    waiting = asyncio.create_task(second.wait_for_predecessors())
    sleeper.kill()
    await sleeper.wait()
    (await waiting).close()


# ── which stack is meant ─────────────────────────────────────────────────


def test_a_stack_that_was_killed_is_none(tmp_path: Path) -> None:
    assert read_addresses(stack_on(tmp_path / "alive")) == {"TEMPORAL_ADDRESS": "x:1"}
    assert read_addresses(stack_on(tmp_path / "killed", pid=dead_pid())) == {}


def test_a_command_finds_the_stack_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("LONGTAKE_DATA", raising=False)
    deep = tmp_path / "project" / "stills" / "day 1"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert data_directory(USUAL, USUAL) == USUAL  # none runs: the message names the usual one
    newest = stack_on(tmp_path / "elsewhere")
    announce(newest)
    assert data_directory(USUAL, USUAL) == newest
    above = stack_on(tmp_path / "project" / "data")
    assert data_directory(USUAL, USUAL) == above
    monkeypatch.setenv("LONGTAKE_DATA", str(tmp_path / "named"))
    assert data_directory(USUAL, USUAL) == tmp_path / "named"
    assert data_directory(tmp_path / "asked", USUAL) == tmp_path / "asked"
    monkeypatch.delenv("LONGTAKE_DATA")
    for killed in (above, newest):
        stack_on(killed, pid=dead_pid())
    assert data_directory(USUAL, USUAL) == USUAL


def test_a_home_that_cannot_be_written_to_does_not_stop_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    announce(tmp_path)
