"""The rehearsal a person sees first, as a process, with everything it starts."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.addresses import ADDRESSES
from local.stack import ROOT

pytestmark = pytest.mark.slow


def begun(data: Path, *options: str) -> "subprocess.Popen[str]":
    """One that goes on while we do something else."""
    argv = [sys.executable, str(ROOT / "starter.py"), "demo", "--data", str(data), "--json", *options]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def reported(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Wait for its end; returns its report."""
    said, complained = process.communicate(timeout=250)
    assert process.returncode == 0, complained
    report: dict[str, Any] = json.loads(said.splitlines()[-1])
    return report


def test_a_rehearsal_with_faults_can_be_repeated_on_the_same_data(tmp_path: Path) -> None:
    for clips in (2, 1):
        report = reported(begun(tmp_path, "--faults", "--clips", str(clips)))
        assert (report["clips"], report["submissions"], report["billed"]) == (clips, clips, clips)
        assert (report["refused"], report["worker_kills"]) == (clips - 1, 1)  # the second order is refused at first
        assert report["callbacks_lost"] == clips
        assert report["verified"]
        assert Path(report["video"]).is_file()
        assert Path(report["sheet"]).is_file()
    assert [process for process in psutil.process_iter() if str(tmp_path) in " ".join(_words(process))] == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_two_rehearsals_at_once_by_comfyui_and_without_any_provider(tmp_path: Path) -> None:
    """ComfyUI makes the pictures too, and nothing twice, though replies get lost and a worker dies."""
    comfyui = begun(tmp_path / "comfyui", "--provider", "comfyui", "--faults", "--clips", "1")
    while not (tmp_path / "comfyui" / ADDRESSES).exists():  # who takes the usual ports is settled
        assert comfyui.poll() is None, comfyui.communicate()
        time.sleep(0.05)
    report = reported(begun(tmp_path / "animatic", "--provider", "animatic", "--clips", "1"))
    assert (report["status"], report["submissions"], report["cost_usd"]) == ("video_ready", 0, "0")
    assert report["verified"]
    report = reported(comfyui)
    assert (report["pictures"], report["submissions"], report["cost_usd"]) == (1, 1, "0")
    assert (report["worker_kills"], report["replies_lost"]) == (1, 1)
    assert report["verified"]
    assert [path.name for path in (tmp_path / "comfyui" / "demo" / "pictures").iterdir()] == ["s001.png"]
