"""Videos by ComfyUI from the command line: a stack with one simulated server and its worker."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from commands.up import address_lines
from local.stack import ROOT, Stack, StackOptions, running_stack
from simulators.comfyui import ComfySimulator
from studio.media.stills import draw_still
from tests.comfy_workflows.conftest import own_clip_graph
from tests.end_to_end.conftest import said, starter_on


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    options = StackOptions(
        data=tmp_path_factory.mktemp("stack"),
        simulate=False,
        order=False,
        gpus=1,
        comfyui={"files": "placeholder", "prompt_seconds": 40},
        speed=50,
        fixed_ports=False,
    )
    async with running_stack(options) as running:
        yield running


@pytest.fixture(scope="module")
def video_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("video")
    draw_still("A harbour at dawn", seed=1, width=320, height=320).image.save(folder / "a.png")
    (folder / "mine.json").write_text(json.dumps(own_clip_graph()), encoding="utf-8")
    document = {
        "video": "own",
        "channel": "tests",
        "provider": "comfyui",
        "model": "mine",
        "style": "Watercolour",
        "width": 320,
        "height": 320,
        "clips": [{"still": "a.png", "prompt": f"Boat {n} leaves. Slow pan left."} for n in (1, 2)],
    }
    (folder / "video.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    return folder / "video.yaml"


def another(video_file: Path, **changes: str) -> Path:
    """A video file beside this one, with changes."""
    path = video_file.with_name(f"{changes['video']}.yaml")
    path.write_text(yaml.safe_dump(yaml.safe_load(video_file.read_text()) | changes), encoding="utf-8")
    return path


def command(stack: Stack, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "starter.py"), *arguments, "--data", str(stack.data)]


def starter(stack: Stack, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """`starter.py …`, on this stack."""
    return starter_on(stack)(*arguments)


def watched(stack: Stack, video: str, *options: str) -> list[str]:
    """The lines of `starter.py watch …`, which only a process can call: it handles signals."""
    done = subprocess.run(command(stack, "watch", video, *options), capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


async def rendered(stack: Stack) -> list[dict[str, Any]]:
    """The graphs the server was sent, and has rendered."""
    async with httpx.AsyncClient(base_url=stack.comfyui_urls["comfyui-1"]["api_url"]) as http:
        history = (await http.get("/history")).json().values()
    return [entry["prompt"][2] for entry in history if entry["status"]["completed"]]


async def test_a_graph_of_ones_own_makes_a_video_in_a_style(stack: Stack, video_file: Path) -> None:
    def whole_way() -> tuple[Any, list[dict[str, Any]], Any]:
        assert said(starter(stack, "comfy", "check", "--json"))["url"] == stack.comfyui_urls["comfyui-1"]["api_url"]
        starter(stack, "comfy", "add", str(video_file.with_name("mine.json")))
        plan = said(starter(stack, "video", "plan", str(video_file), "--json"))
        starter(stack, "video", "start", str(video_file))
        lines = watched(stack, "tests/own", "--json")
        return plan, [json.loads(line) for line in lines], said(starter(stack, "video", "result", "own", "--json"))

    plan, news, result = await asyncio.to_thread(whole_way)
    assert (plan["cost_usd"], plan["seconds"], plan["counts"]["new"]) == ("0", None, 2)
    assert (news[-1]["kind"], news[-1]["done"]) == ("end", True)
    assert {clip["status"] for clip in result["clips"]} == {"done"}
    words = [graph["93"]["inputs"]["text"] for graph in await rendered(stack)]
    style = "Watercolour painting on rough paper, soft edges, visible brush strokes, light washes of colour."
    assert sorted(words) == [f"{style} Boat {n} leaves. Slow pan left." for n in (1, 2)]


async def test_control_c_ends_the_watching_and_not_the_video(stack: Stack, video_file: Path) -> None:
    changed = another(video_file, video="longer", model="wan22_i2v", style="Cinematic")
    await asyncio.to_thread(starter, stack, "video", "start", str(changed))
    pipe = asyncio.subprocess.PIPE
    watching = await asyncio.create_subprocess_exec(*command(stack, "watch", "tests/longer"), stdout=pipe, stderr=pipe)
    assert watching.stdout is not None
    first = await asyncio.wait_for(watching.stdout.readline(), 250)
    watching.send_signal(signal.SIGINT)
    _, complained = await asyncio.wait_for(watching.communicate(), 250)
    assert (watching.returncode, complained) == (0, b"")
    assert b"video" in first or b"clip" in first
    assert await asyncio.to_thread(watched, stack, "longer")


def test_the_addresses_name_the_servers_and_no_provider_that_is_not_asked(stack: Stack) -> None:
    told = address_lines(stack)
    assert told["ComfyUI"] == f"simulated, {stack.comfyui_urls['comfyui-1']['api_url']}"
    assert "KIE.ai" not in told


async def test_real_servers_get_a_worker_each(comfy: ComfySimulator, tmp_path: Path) -> None:
    url = comfy.urls["api_url"]
    options = StackOptions(
        data=tmp_path, simulate=False, order=False, comfyui_servers=(url,), workers={}, fixed_ports=False
    )
    async with running_stack(options) as running:
        assert list(running.workers) == ["gpu-1"]
        assert address_lines(running)["ComfyUI"] == url
        assert running.environment["COMFYUI_URL"] == url
