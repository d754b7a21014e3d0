"""`python -m benchmarks cases` on a small folder: what it counts, and that it counts what is bad."""

import argparse
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from benchmarks import cases
from benchmarks.isolated import Door, Outcome, outcome_of, run_isolated, start_server

SAMPLES = Path(__file__).parents[1]
CLIPS = SAMPLES / "studio" / "media" / "samples" / "clips"
KIE = SAMPLES / "studio" / "providers" / "samples" / "kie"
COMFY = SAMPLES / "studio" / "providers" / "samples" / "comfyui_odd"
VIDEO = {
    "channel": "demo",
    "video_id": "f1",
    "provider": "animatic",
    "width": 192,
    "height": 108,
    "clips": [
        {
            "number": 1,
            "still": {"key": "channels/demo/stills/a.png", "sha256": "0" * 64, "mime": "image/png"},
            "prompt": "Waves roll onto the beach. Slow pan right.",
        }
    ],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, source, files in (
        ("clips", CLIPS, ("01_base.mp4", "02_base_again.mp4", "25_hevc.mp4", "41_html.mp4")),
        ("kie", KIE, ("r01_ok.json", "r27_data_is_null.json")),
        ("comfy", COMFY, ("h01_savevideo_images_animated.json", "q01_queue_odd_entries.json")),
    ):
        (tmp_path / name).mkdir()
        for file in files:
            shutil.copyfile(source / file, tmp_path / name / file)
    for name in ("videos", "temporal"):
        (tmp_path / name).mkdir()
    (tmp_path / "videos" / "01_no.yaml").write_text("video: no\nchannel: demo\nclips: []\n")
    (tmp_path / "videos" / "EXPECTED.md").write_text("no case")
    (tmp_path / "kie" / "w01.json").write_text(json.dumps({"data": {"taskId": "t"}}))
    (tmp_path / "kie" / "w02.json").write_text("[]")
    (tmp_path / "temporal" / "v00_ok.json").write_text(json.dumps(VIDEO))
    (tmp_path / "temporal" / "v01_typo.json").write_text(json.dumps(VIDEO | {"budgetUsd": 1}))
    return tmp_path


@pytest.mark.slow
async def test_every_file_gets_a_sentence_and_nothing_breaks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    cases.arguments(parser)
    found = await cases.run(parser.parse_args(["--dir", str(folder), "--seconds", "60"]))
    said = dict(line.partition(": ")[::2] for line in capsys.readouterr().err.splitlines() if "/" in line)
    assert {key: found[key] for key in ("tracebacks", "hangs", "wedged")} == {"tracebacks": 0, "hangs": 0, "wedged": 0}
    assert found["bad"] == {}
    for name, beginning in {
        "clips/25_hevc.mp4": "accepted: seen as: hevc 320x180",
        "clips/41_html.mp4": "refused: ClipUnreadable",
        "videos/01_no.yaml": "refused: 2 mistakes",
        "kie/r01_ok.json": "accepted: success; files: https://",
        "kie/r27_data_is_null.json": "refused: TaskLost",
        "kie/w01.json": 'accepted: 200 {"status":"unknown_order"}',
        "kie/w02.json": "refused: 400",
        "comfy/h01_savevideo_images_animated.json": "accepted: success; 1 files of node 108",
        "comfy/q01_queue_odd_entries.json": "accepted: running: a, b; waiting: c",
        "temporal/v00_ok.json": "accepted: ",
        "temporal/v01_typo.json": "refused: InvalidRequest: budgetUsd",
        "temporal/start without input": "refused: InvalidRequest",
        "temporal/signals": "accepted: after ",
    }.items():
        assert said[name].startswith(beginning), f"{name}: {said[name]}"
    assert found["files"] == len(said)


@pytest.mark.slow
def test_a_file_that_hangs_breaks_or_eats_memory_is_counted_as_that(tmp_path: Path) -> None:
    start_server()

    def tried(door: Door) -> Outcome:
        return run_isolated(door, tmp_path, seconds=60, megabytes=500)

    assert tried(_breaks).sentence.startswith("traceback: KeyError in ")
    assert tried(_eats).sentence.startswith("traceback: MemoryError in ")
    assert tried(_dies) == Outcome("traceback", "its process ended without an answer")
    assert run_isolated(_hangs, tmp_path, seconds=0.5, megabytes=500) == Outcome("hang", "no answer within 0.5 s")


def test_only_our_own_errors_are_refusals(tmp_path: Path) -> None:
    assert outcome_of(_breaks(tmp_path)).kind == "traceback"


async def _breaks(path: Path) -> str:
    return os.environ["NO_SUCH_SETTING"]


async def _eats(path: Path) -> str:
    return str(len(bytes(2_000_000_000)))


async def _dies(path: Path) -> str:
    os._exit(3)


async def _hangs(path: Path) -> str:
    signal.pause()
    return ""
