"""Takes, as a person at the command line sees them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.stack import Stack
from studio.media.stills import draw_still
from tests.end_to_end.conftest import Starter, said

VideoFile = Callable[..., Path]
ANOTHER = "A whale rises between the boats. Slow pan left."


def orders(stack: Stack) -> list[str]:
    """The prompts the provider has accepted, in order."""
    tasks = httpx.get(f"{stack.kie['admin_url']}/__sim/ledger?only=tasks").json()["tasks"]
    return [task["prompt"] for task in tasks]


def stored(stack: Stack) -> set[Path]:
    """Everything in the object store."""
    return {path for path in (stack.data / "objects").rglob("*") if path.is_file()}


def takes(starter: Starter, video: str, clip: int) -> list[dict[str, Any]]:
    (shown,) = said(starter("video", "takes", video, str(clip), "--json"))
    assert shown["clip"] == clip
    found: list[dict[str, Any]] = shown["takes"]
    return found


def prompts(video: str, count: int = 3) -> list[dict[str, str]]:
    """Clips no other video of these tests has."""
    return [
        {"still": f"clip_{n % 3 + 1:02d}.png", "prompt": f"Boat {n} of {video} leaves. Slow pan left."}
        for n in range(count)
    ]


def test_a_clip_is_changed_compared_and_rolled_back(starter: Starter, video_file: VideoFile, stack: Stack) -> None:
    file = video_file("rolled", changes={"clips": prompts("rolled")})
    before = said(starter("video", "start", str(file), "--wait", "--json"))
    ordered = len(orders(stack))
    edit = ("video", "edit", "rolled", "2", "--prompt", ANOTHER, "--seconds", "10")
    edited = said(starter(*edit, "--wait", "--json"))
    assert orders(stack)[ordered:] == [ANOTHER]
    assert edited["summary"] == "Skipped 2 existing clips, generated 1 new clips"
    assert edited["video"]["sha256"] != before["video"]["sha256"]

    old, new = takes(starter, "rolled", 2)
    assert [take["verdict"] for take in (old, new)] == ["good", "chosen"]
    assert (new["prompt"], new["seconds"], new["cost_usd"]) == (ANOTHER, 10, "0.420000")
    assert [Path(take[place]).stat().st_size > 0 for take in (old, new) for place in ("file", "picture")] == [True] * 4
    shown = starter("video", "takes", "rolled").stdout
    assert [line for line in shown.splitlines() if line.startswith("clip")] == ["clip 01", "clip 02", "clip 03"]
    assert f"  {new['take'][:12]}  chosen  0.42 USD  10 s  " in shown

    back = said(starter("video", "choose", "rolled", "2", old["take"][:8], "--wait", "--json"))
    assert back["video"]["sha256"] == before["video"]["sha256"]
    assert len(orders(stack)) == ordered + 1


def test_a_choice_stays_when_the_video_is_started_from_its_file_again(
    starter: Starter, video_file: VideoFile, stack: Stack
) -> None:
    clips = prompts("chosen")
    first = said(starter("video", "start", str(video_file("chosen", changes={"clips": clips})), "--wait", "--json"))
    starter("video", "choose", "chosen", "2", first["clips"][0]["take"], "--wait")
    ordered = len(orders(stack))
    clips[2] |= {"prompt": ANOTHER}
    file = str(video_file("chosen", changes={"clips": clips}))
    assert "chosen started, 3 clips, 1 of them changed" in starter("video", "start", file).stdout
    watched = said(starter("video", "edit", "chosen", "3", "--prompt", f"{ANOTHER} It sings.", "--wait", "--json"))
    assert watched["clips"][1]["take"] == first["clips"][0]["take"]
    assert f"{ANOTHER} It sings." in orders(stack)[ordered:]


def test_a_variant_in_the_file_is_another_take(starter: Starter, video_file: VideoFile, stack: Stack) -> None:
    clips: list[dict[str, Any]] = list(prompts("varied", 2))
    clips.append(clips[0] | {"variant": 2})
    starter("video", "start", str(video_file("varied", changes={"clips": clips})), "--wait")
    ordered = [prompt for prompt in orders(stack) if "of varied" in prompt]
    assert sorted(ordered) == sorted(str(clip["prompt"]) for clip in clips)


def test_a_video_that_runs_is_not_started_again_but_may_be_changed(
    starter: Starter, video_file: VideoFile, stack: Stack, tmp_path: Path
) -> None:
    starter("gate", "limit", "0")
    file = str(video_file("runs", changes={"clips": prompts("runs", 2)}))
    first = said(starter("video", "start", file, "--json"))
    refused = starter("video", "start", file, check=False)
    assert refused.returncode == 2
    assert "tests/runs is running already - Change a clip with `video edit tests/runs CLIP`" in refused.stderr
    still = tmp_path / "other.png"
    draw_still("Dunes", seed=9, width=534, height=300).image.save(still)
    edited = said(starter("video", "edit", "tests/runs", "2", "--still", str(still), "--json"))
    assert edited["replaced"] is True
    assert edited["run_id"] != first["run_id"]
    assert (
        "the run that was not finished is replaced" in starter("video", "edit", "runs", "1", "--seconds", "10").stdout
    )
    starter("gate", "limit", "5")
    again = starter("video", "edit", "runs", "2", "--prompt", ANOTHER + " Twice.", "--wait", "--json")
    assert said(again)["total_cost_usd"] in ("0.630000", "0.840000")  # clip 2 may have been ordered meanwhile
    stills = sorted(path.name for path in (stack.data / "objects/channels/tests/videos/runs/stills").iterdir())
    assert stills[:2] == ["clip_01.png", "clip_02.png"]
    assert stills[2].startswith("clip_02_")


def test_a_plan_says_it_all_and_leaves_no_trace(starter: Starter, video_file: VideoFile, stack: Stack) -> None:
    clips = prompts("planned")
    file = str(video_file("planned", changes={"clips": clips}))
    before = (orders(stack), stored(stack))
    plan = said(starter("video", "plan", file, "--json"))
    assert (plan["cost_usd"], plan["counts"]["new"], plan["seconds"]) == ("0.630", 3, 3.0)
    assert (orders(stack), stored(stack)) == before
    assert "planned" not in {video["video_id"] for video in said(starter("video", "list", "--json"))}

    starter("video", "start", file, "--wait")
    assert "3 clips: 3 reused" in starter("video", "plan", "planned").stdout
    clips[0]["prompt"] = ANOTHER + " Once."
    starter("budget", "set", "video/tests/planned", "0.70")
    shown = starter("video", "plan", str(video_file("planned", changes={"clips": clips}))).stdout
    starter("budget", "clear", "video/tests/planned")
    assert "3 clips: 1 new, 2 reused" in shown
    assert "0.21 USD at list price" in shown
    assert "budget    video/tests/planned would be passed" in shown


BAD: list[tuple[list[str], str]] = [
    (["edit", "kept", "1"], "What is to change?"),
    (["edit", "kept", "1", "--again", "--seconds", "10"], "What is to change?"),
    (
        ["edit", "kept", "1", "--prompt", "Slow pan left. A cat."],
        "clips.0.prompt: the prompt begins with camera movement",
    ),
    (["edit", "kept", "1", "--still", "none.png"], "clip 1, still: none.png: no such file"),
    (["edit", "kept", "1", "--still", "README.md"], "clip 1, still: README.md: not a picture"),
    (["edit", "nobody", "1", "--again"], "No video is called nobody"),
    (["choose", "kept", "1", "000000"], "take 000000 is none of channel tests"),
    (["takes", "tests/nobody"], "No video is called tests/nobody"),
    (["plan", "tests/nobody"], "No video is called tests/nobody"),
]


@pytest.fixture(scope="module")
def untouched(starter: Starter, video_file: VideoFile, stack: Stack) -> tuple[list[str], set[Path]]:
    """A finished video, and the orders and files there are then."""
    starter("video", "start", str(video_file("kept", changes={"clips": prompts("kept", 1)})), "--wait")
    return orders(stack), stored(stack)


@pytest.mark.parametrize(("command", "reason"), BAD, ids=[f"{command[0]}{i}" for i, (command, _) in enumerate(BAD)])
def test_what_cannot_be_is_refused_in_words_and_nothing_happens(
    starter: Starter, stack: Stack, untouched: tuple[list[str], set[Path]], command: list[str], reason: str
) -> None:
    refused = starter("video", *command, check=False)
    assert refused.returncode == 2
    assert reason in refused.stderr
    assert (orders(stack), stored(stack)) == untouched
