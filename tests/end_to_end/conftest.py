"""The whole local stack, as its users get it: separate processes and the command line."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack import ROOT, Stack, StackOptions, running_stack
from studio.media.stills import draw_still
from tests.command_line import run_command

PLANTED_KEY = "sim-key/PLANTED+4f9a1c=="
"""A secret that must turn up nowhere."""

Starter = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A stack with a worker for orders and one for media, a fast clock and ready-made clips."""
    options = StackOptions(
        data=tmp_path_factory.mktemp("stack"),
        speed=50,
        kie={"clips": "placeholder", "placeholder_size": [192, 108], "duration": [60, 80], "api_keys": [PLANTED_KEY]},
        settings={"KIE_API_KEY": PLANTED_KEY},
        fixed_ports=False,
    )
    async with running_stack(options) as running:
        yield running


@pytest.fixture(scope="package")
def starter(stack: Stack) -> Starter:
    """`starter.py …`, talking to the stack by its data directory alone; called in this process."""
    return starter_on(stack)


@pytest.fixture(scope="package")
def starter_process(stack: Stack) -> Starter:
    """`starter.py …` as a user calls it: a process."""

    def call(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, str(ROOT / "starter.py"), *arguments, "--data", str(stack.data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)
        assert not check or done.returncode == 0, done.stderr
        return done

    return call


def starter_on(stack: Stack) -> Starter:
    """Calls `starter.py …` in this process, on this stack."""

    def call(*arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        done = run_command([*arguments, "--data", str(stack.data)])
        assert not check or done.code == 0, done.stderr
        return subprocess.CompletedProcess(arguments, done.code, done.stdout, done.stderr)

    return call


@pytest.fixture(scope="package")
def video_file(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes video files with small stills beside them. No two videos want the same take."""
    folder = tmp_path_factory.mktemp("videos")
    for number in range(1, 4):
        draw_still("A harbour at dawn", seed=number, width=534, height=300).image.save(
            folder / f"clip_{number:02d}.png"
        )

    def write(video: str, *, length: int = 3, changes: Mapping[str, Any] | None = None) -> Path:
        document = {
            "video": video,
            "channel": "tests",
            "width": 192,
            "height": 108,
            "clips": [
                {
                    "still": f"clip_{n % 3 + 1:02d}.png",
                    "prompt": f"Boat {n} of {video} leaves the harbour. Slow pan left.",
                }
                for n in range(length)
            ],
        }
        path = folder / f"{video}.yaml"
        path.write_text(yaml.safe_dump(document | dict(changes or {})), encoding="utf-8")
        return path

    return write


def said(done: "subprocess.CompletedProcess[str]") -> Any:
    """What a command printed as JSON."""
    return json.loads(done.stdout.splitlines()[-1])
