"""`starter.py comfy …` as people and scripts call it, against a ComfyUI server and real stores."""

import json
from pathlib import Path

import pytest

from simulators.comfyui import ComfySimulator
from studio.contracts.base import MediaRef
from studio.objects.store import StorePlace, open_store
from studio.store.gpu_servers import GpuServerStore
from studio.store.pool import Database
from tests.comfy_workflows.conftest import own_clip_graph
from tests.commands.starter import Starter, process_with, starter_with
from tests.conftest import NOBODY


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Stores of its own, and no usual server."""
    return {
        "DATABASE_URL": database_url,
        "OBJECT_STORE_URL": (tmp_path / "objects").as_uri(),
        "COMFYUI_URL": NOBODY,
    }


@pytest.fixture
def starter(settings: dict[str, str], tmp_path: Path) -> Starter:
    """`starter.py comfy …`."""
    return starter_with(settings, tmp_path / "data", "comfy")


@pytest.fixture
def starter_process(settings: dict[str, str], tmp_path: Path) -> Starter:
    """`starter.py comfy …`, a process."""
    return process_with(settings, tmp_path / "no-stack", "comfy")


@pytest.fixture
def graph_file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(own_clip_graph()), encoding="utf-8")
    return path


async def test_servers_that_have_a_worker_are_listed(
    starter: Starter, starter_process: Starter, database: Database
) -> None:
    assert "worker.py --queues gpu" in (await starter_process("servers")).stdout
    await GpuServerStore(database).tell("http://gpu-1:8188", "host/7", busy=False, away="ComfyUI answered 502")
    assert "ComfyUI answered 502" in (await starter("servers")).stdout
    ((name, away),) = [(one["name"], one["away"]) for one in (await starter("servers", "--json")).json]
    assert (name, away) == ("http://gpu-1:8188", "ComfyUI answered 502")


async def test_a_server_is_described_with_what_it_lacks(starter: Starter, comfy: ComfySimulator) -> None:
    comfy.configure(missing_models=["z_image_turbo_bf16.safetensors"], missing_nodes=["HunyuanVideo15ImageToVideo"])
    done = await starter("check", "--url", comfy.urls["api_url"], "--json")
    told = done.json
    assert done.code == 0
    assert (told["version"], told["devices"][0]["vram_total"]) == ("0.33.0", 24 * 1024**3)
    runs = {graph["name"]: graph["runs"] for graph in told["graphs"]}
    assert [name for name, good in runs.items() if not good] == ["hunyuan15_i2v", "z_image_turbo"]
    lacks = {graph["name"]: (graph["missing_nodes"], graph["missing_models"]) for graph in told["graphs"]}
    assert lacks["z_image_turbo"] == ([], [["diffusion_models", "z_image_turbo_bf16.safetensors"]])
    assert lacks["hunyuan15_i2v"] == (["HunyuanVideo15ImageToVideo"], [])


async def test_people_read_where_a_file_belongs(starter: Starter, comfy: ComfySimulator) -> None:
    comfy.configure(missing_models=["ae.safetensors"])
    shown = (await starter("check", COMFYUI_URL=comfy.urls["api_url"])).stdout
    assert "ComfyUI 0.33.0 at http://127.0.0.1" in shown
    assert "24.0 of 24.0 GB free" in shown
    assert "model file ae.safetensors is missing on this server; it belongs in models/vae" in shown


async def test_without_any_stack_a_server_is_looked_at_all_the_same(
    starter_process: Starter, comfy: ComfySimulator
) -> None:
    done = await starter_process("check", "--url", comfy.urls["api_url"], "--json", DATABASE_URL="")
    assert all(graph["source"] == "shipped" for graph in done.json["graphs"])
    assert "graphs you added were not looked at" in done.json["note"]


async def test_a_server_that_does_not_answer_ends_it_with_the_reason(starter: Starter) -> None:
    done = await starter("check")
    assert done.code == 1
    assert f"{NOBODY}: ComfyUI cannot be reached" in done.stderr
    assert (await starter("check", "--url", "127.0.0.1:8188")).code == 2


async def test_a_graph_is_added_checked_and_listed(
    starter: Starter, comfy: ComfySimulator, graph_file: Path, tmp_path: Path
) -> None:
    url = comfy.urls["api_url"]
    told = (await starter("add", str(graph_file), "--url", url, "--json")).json
    assert (told["checked"], told["remarks"]) == (True, [])
    file = MediaRef.model_validate(told["model"]["graph_file"])
    assert await open_store(StorePlace(url=(tmp_path / "objects").as_uri())).size(file.key) == file.size
    listed = (await starter("list", "--json")).json
    assert told["model"] in listed["models"]
    assert {style["name"] for style in listed["styles"]} >= {"Cinematic", "Watercolour", "Pixel art"}
    (own,) = [one for one in (await starter("check", "--url", url, "--json")).json["graphs"] if one["name"] == "mine"]
    assert (own["source"], own["runs"]) == ("added", True)
    assert "mine (added)" in (await starter("list")).stdout


async def test_people_read_what_an_added_graph_lets_be_set(
    starter: Starter, comfy: ComfySimulator, graph_file: Path
) -> None:
    shown = (await starter("add", str(graph_file), "--url", comfy.urls["api_url"])).stdout
    assert "sets prompt, width, height, length, seed, steps, the picture" in shown
    assert "always as the file has it: negative, fps, cfg" in shown
    assert "A video names it with `model: mine`, a project or a sentence as its model for video" in shown
    assert "WARNING" not in shown


async def test_a_graph_without_a_prompt_or_a_seed_is_added_with_a_warning(starter: Starter, tmp_path: Path) -> None:
    save = {"images": ["1", 0], "filename_prefix": "x"}
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64}, "_meta": {"title": "input:prompt"}},
        "2": {"class_type": "SaveImage", "inputs": save, "_meta": {"title": "out:image"}},
    }
    (tmp_path / "plain.json").write_text(json.dumps(graph), encoding="utf-8")
    shown = (await starter("add", str(tmp_path / "plain.json"))).stdout
    assert "WARNING: no node is titled in:prompt, so every result shows what the file says" in shown
    assert "WARNING: no node is titled in:seed" in shown
    assert "A project or a sentence names it as its model for images, model_id plain" in shown


async def test_without_a_server_it_is_added_and_said_to_be_unchecked(starter: Starter, graph_file: Path) -> None:
    done = await starter("add", str(graph_file), "--name", "other")
    assert done.code == 0
    assert f"other: image-to-video, not checked: {NOBODY}" in done.stdout.replace("\n", " ")


async def test_a_server_that_is_named_must_answer(starter: Starter, graph_file: Path) -> None:
    done = await starter("add", str(graph_file), "--url", NOBODY)
    assert done.code == 1
    assert "cannot be reached" in done.stderr
    assert "mine" not in [model["id"] for model in (await starter("list", "--json")).json["models"]]


async def test_a_graph_that_would_not_run_is_refused_with_every_reason(
    starter: Starter, comfy: ComfySimulator, graph_file: Path
) -> None:
    comfy.configure(missing_models=["wan_2.1_vae.safetensors"], missing_nodes=["ModelSamplingSD3"])
    done = await starter("add", str(graph_file), "--url", comfy.urls["api_url"])
    assert done.code == 2
    assert "wan_2.1_vae.safetensors is missing on this server; it belongs in models/vae" in done.stderr
    assert "this server has no node ModelSamplingSD3" in done.stderr


@pytest.mark.parametrize(
    ("content", "options", "reason"),
    [
        ('{"nodes": [], "links": []}', (), "choose Workflow → Export (API)"),
        ("{", (), "this file is not JSON"),
        (json.dumps(own_clip_graph()), ("--name", "a b"), "name: 'a b' has something else than letters"),
        (json.dumps(own_clip_graph()), ("--name", "wan22_i2v"), "name: wan22_i2v comes with Longtake"),
    ],
    ids=["editor", "no json", "no name", "name of ours"],
)
async def test_what_is_no_graph_of_ones_own_is_refused_with_the_reason(
    starter: Starter, tmp_path: Path, content: str, options: tuple[str, ...], reason: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="utf-8")
    done = await starter("add", str(path), *options)
    assert done.code == 2
    assert reason in done.stderr
