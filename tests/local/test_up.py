"""`starter.py up` and every command of the README as written, on a stack whose children are each killed once."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import psutil
import pytest

from commands.failures import ExitCode
from local.stack import ROOT, WORKER_STOP_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

CHILDREN = {
    "Temporal": "server start-dev",
    "PostgreSQL": "postgres -D",
    "KIE.ai simulator": "simulators kie",
    "gateway": "-m gateway",
    "worker studio": "--queues studio",
    "worker media": "--queues media",
}
"""As `up` calls them, and a part of their command lines."""


class Up:
    """The process, and its lines."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        argv = [
            sys.executable,
            str(ROOT / "starter.py"),
            "up",
            "--speed",
            "200",
            "--gpus",
            "1",
            "--data",
            str(self.data),
        ]
        self.env = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "LONGTAKE_DATA": ""}
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder, env=self.env
        )
        self.lines: list[str] = []
        self._queue: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._queue.put(line)
        self._queue.put("")

    def until(self, text: str) -> str:
        """Wait for a line that holds this text."""
        while line := self._queue.get(timeout=300):
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} was not among\n{''.join(self.lines)}")

    def rest(self) -> str:
        """Wait for its end; returns everything it has printed."""
        while line := self._queue.get(timeout=300):
            self.lines.append(line)
        self.process.wait()
        return "".join(self.lines)

    def end(self) -> None:
        """Kill it, if it still runs."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def child(self, name: str) -> psutil.Process:
        """One of its children."""
        (found,) = [
            child
            for child in psutil.Process(self.process.pid).children()
            if CHILDREN[name] in " ".join(child.cmdline())
        ]
        return found


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    running = Up(tmp_path_factory.mktemp("up"))
    try:
        running.until("Try:")
        yield running
    finally:
        running.end()


def readme_commands() -> list[str]:
    """The commands of the section "Use it", comments and `up` left out."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Use it\n\n```\n(.+?)```", text, re.DOTALL)
    assert block is not None
    lines = [line.partition("  #")[0].strip() for line in block[1].splitlines() if "starter.py" in line]
    return [line for line in lines if " up" not in line]


MAY_FAIL = ("video resume", "video choose", "video stop", "comfy check", "comfy add")
"""Commands about a take, a graph or a server that only the example has, or with nothing left to do."""


def call(up: Up, line: str) -> "subprocess.CompletedProcess[str]":
    """One line of the README, as a person in a checkout types it; the data directory is found from there."""
    program, *arguments = shlex.split(line)
    assert program == ".venv/bin/python"
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=up.env, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_child_is_started_again_and_a_line_says_so(up: Up, name: str) -> None:
    killed = up.child(name)
    killed.kill()
    up.until(f"{name} was killed by SIGKILL; it is started again")
    up.until(f"{name} runs again")
    assert up.child(name).pid != killed.pid


def test_every_command_of_the_readme_says_sentences_only(up: Up) -> None:
    commands = readme_commands()
    assert len(commands) > 15
    for number, line in enumerate(commands):
        if number < len(CHILDREN):  # in the midst of the tour as well
            name = list(CHILDREN)[number]
            up.child(name).kill()
            up.until(f"{name} runs again")
        done = call(up, line)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, f"{line}\n{said}"
        assert "A defect of this program" not in said, f"{line}\n{said}"
        if done.returncode:
            assert any(words in line for words in MAY_FAIL), f"{line}\n{said}"
            assert done.returncode in (ExitCode.FAILED, ExitCode.WRONG_INPUT, ExitCode.UNAVAILABLE), f"{line}\n{said}"
            assert len(said.strip()) > 10, line


def test_temporals_own_command_line_reaches_the_same_server(up: Up) -> None:
    done = call(up, ".venv/bin/python starter.py temporal workflow list --output json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_ctrl_c_ends_it_and_a_second_one_hurries(up: Up) -> None:
    """The worker is stopped (SIGSTOP): it would be waited for for as long as an order may take."""
    worker = up.child("worker studio")
    worker.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    up.process.send_signal(signal.SIGINT)
    up.until("Ctrl-C again ends it at once")
    up.process.send_signal(signal.SIGINT)
    said = up.rest()
    assert time.monotonic() - began < WORKER_STOP_SECONDS
    assert up.process.returncode == 0
    assert "Traceback" not in said
    assert said.endswith("stopped\n")
    assert not worker.is_running()
