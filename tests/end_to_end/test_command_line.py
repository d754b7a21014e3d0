"""What a person and a shell script see of Longtake."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from local.stack import ROOT, Stack
from local.temporal_server import temporal_binary
from tests.end_to_end.conftest import Starter, said

VideoFile = Callable[..., Path]


def test_a_video_from_a_file_to_the_finished_picture(
    starter_process: Starter, starter: Starter, video_file: VideoFile
) -> None:
    started = starter_process("video", "start", str(video_file("happy")), "--wait")
    assert "0.63" in started.stdout
    result = said(starter_process("video", "result", "happy", "--json"))
    assert result["total_cost_usd"] == "0.630000"
    assert said(starter("video", "status", "tests/happy", "--json"))["done"] == 3
    videos = {video["video_id"]: video["status"] for video in said(starter("video", "list", "--json"))}
    assert videos["happy"] == "video_ready"


def test_the_video_lies_where_the_command_line_says(starter: Starter, video_file: VideoFile) -> None:
    shown = starter("video", "start", str(video_file("placed", length=1)), "--wait").stdout
    places = [line.split(maxsplit=1)[1] for line in shown.splitlines() if line.startswith(("video   /", "sheet  /"))]
    assert [Path(place).exists() for place in places] == [True, True]


BAD: list[tuple[dict[str, object], str]] = [
    ({"clips": []}, "clips: is empty"),
    (
        {"clips": [{"still": "clip_01.png", "prompt": "A cat."}] * 501},
        "clips: has 501 entries, at most 500 are allowed",
    ),
    ({"clips": [{"still": "none.png", "prompt": "A cat."}]}, "clip 1, still: none.png: no such file"),
    (
        {"clips": [{"still": "bad.yaml", "prompt": "A cat."}]},
        "clip 1, still: bad.yaml: not a picture; export it as PNG or JPEG",
    ),
    (
        {"clips": [{"still": "clip_01.png", "prompt": "a" * 2501}]},
        "clip 1, prompt: has 2,501 characters, at most 2,500",
    ),
    (
        {"clips": [{"still": "clip_01.png", "prompt": "A cat.", "seconds": 7}]},
        "clip 1, seconds: must be 5 or 10",
    ),
    ({"video": "../etc"}, "video: must have 1 to 100 letters"),
    ({"channel": "a b"}, "channel: must have 1 to 100 letters"),
    (
        {"clips": [{"still": "clip_01.png", "prompt": "Slow pan left. A cat."}]},
        "clip 1, prompt: the prompt begins with camera movement",
    ),
    ({"clips": [{"still": "clip_01.png", "prompt": "A cat.", "camra": "orbit"}]}, "clip 1, camra: is unknown"),
    ({"width": 200}, "clip 1, still: clip_01.png: 534x300 has another shape than the video, 200x108"),
]


def test_bad_input_is_refused_with_path_and_reason_before_anything_starts(
    starter: Starter, video_file: VideoFile
) -> None:
    for change, reason in BAD:
        refused = starter("video", "start", str(video_file("bad", changes=change)), check=False)
        assert (refused.returncode, reason in refused.stderr) == (2, True), (reason, refused.stderr)
    assert "bad" not in {video["video_id"] for video in said(starter("video", "list", "--json"))}


def test_plain_json_for_other_languages_starts_the_same_video(
    starter: Starter, video_file: VideoFile, stack: Stack, tmp_path: Path
) -> None:
    """`video request` prints what `temporal workflow start --input-file` takes, without any SDK."""
    request = tmp_path / "request.json"
    request.write_text(starter("video", "request", str(video_file("plain", length=1))).stdout)
    command = [str(temporal_binary()), "workflow", "execute", "--type", "VideoWorkflow", "--task-queue", "studio"]
    command += ["--workflow-id", "video/tests/plain", "--input-file", str(request), "--output", "json"]
    done = subprocess.run(
        [*command, "--address", stack.temporal.address], capture_output=True, text=True, check=True, timeout=250
    )
    assert json.loads(done.stdout)["status"] == "COMPLETED"


def test_a_video_nobody_knows_is_said_to_be_unknown(starter_process: Starter) -> None:
    refused = starter_process("video", "status", "nobody", check=False)
    assert refused.returncode == 2
    assert "No video is called nobody" in refused.stderr


def test_the_gate_is_shown_and_changed(starter: Starter) -> None:
    assert said(starter("gate", "limit", "3", "--json"))["limit"] == 3
    assert "of 3 inside" in starter("gate", "show").stdout
    assert said(starter("gate", "weight", "tests", "2.5", "--json"))["weights"] == {"tests": 2.5}
    assert starter("gate", "limit", "101", check=False).returncode == 2
    starter("gate", "limit", "5")


def test_cancelling_says_what_it_costs_all_the_same(starter: Starter, video_file: VideoFile) -> None:
    starter("gate", "limit", "0")
    starter("video", "start", str(video_file("cancelled")))
    cancelled = said(starter("video", "cancel", "tests/cancelled", "--json"))
    starter("gate", "limit", "5")
    assert cancelled == {
        "workflow_id": "video/tests/cancelled",
        "status": "cancelled",
        "message": "Nothing was with the provider.",
    }


def test_a_draft_can_be_started_as_it_is(starter: Starter, video_file: VideoFile, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "starter.py"), "video", "draft", "A harbour", "--story", "dawn, noon, dusk"]
    drafted = subprocess.run([*command, "--clips", "4"], capture_output=True, text=True, check=True, timeout=250).stdout
    path = tmp_path / "draft.yaml"
    path.write_text(drafted)
    refused = starter("video", "start", str(path), check=False)
    assert "clip 4, still: stills/clip_04.png: no such file" in refused.stderr
    assert "prompt" not in refused.stderr
