"""The rehearsal a person sees first, as a process, with everything it starts."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from local.stack import ROOT

pytestmark = pytest.mark.timeout(200)


def demo(data: Path, *options: str) -> dict[str, Any]:
    """Run it; returns its report."""
    argv = [sys.executable, str(ROOT / "starter.py"), "demo", "--data", str(data), "--json", *options]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_a_rehearsal_with_faults_can_be_repeated_on_the_same_data(tmp_path: Path) -> None:
    for _ in range(2):
        report = demo(tmp_path, "--faults", "--clips", "2")
        assert (report["clips"], report["submissions"], report["billed"]) == (2, 2, 2)
        assert (report["refused"], report["worker_kills"]) == (1, 1)
        assert report["callbacks_lost"] == 2
        assert report["verified"]
        assert Path(report["film"]).is_file()
        assert Path(report["sheet"]).is_file()
    assert [process for process in psutil.process_iter() if str(tmp_path) in " ".join(_words(process))] == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_a_rehearsal_without_any_provider(tmp_path: Path) -> None:
    report = demo(tmp_path, "--provider", "animatic", "--clips", "1")
    assert (report["status"], report["submissions"], report["cost_usd"]) == ("video_ready", 0, "0")
    assert report["verified"]
