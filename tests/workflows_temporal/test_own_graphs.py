"""Videos whose clips a user's own graph makes: looked at before anything is sent to a server."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError

from comfy_workflows.graph import GraphTemplate
from simulators.comfyui import ComfySimulator
from studio.contracts.base import MediaRef
from studio.contracts.video import Provider
from studio.graphs import add_graph, read_graph
from studio.providers.comfyui import open_comfyui
from studio.store.models import ModelStore
from tests.comfy_workflows.conftest import own_clip_graph
from tests.studio_at_work import StudioAtWork

VIDEO: dict[str, Any] = {"provider": Provider.COMFYUI, "model": "mine", "width": 256, "height": 256}


async def own_graph(comfy: ComfySimulator) -> GraphTemplate:
    """A graph with the ranges of this server's nodes."""
    async with open_comfyui(url=comfy.urls["api_url"]) as client:
        return read_graph(json.dumps(own_clip_graph()).encode(), "mine", await client.object_info())


async def added(studio: StudioAtWork, comfy: ComfySimulator) -> MediaRef:
    model = await add_graph(await own_graph(comfy), ModelStore(studio.database), studio.objects)
    assert model.graph_file is not None
    return model.graph_file


async def reason(studio: StudioAtWork, **fields: Any) -> str:
    """Why a video is refused."""
    handle = await studio.start(await studio.request(clips=1, **VIDEO | fields))
    with pytest.raises(WorkflowFailureError) as failed:
        await handle.result()
    return str(failed.value.cause)


async def test_a_video_by_an_own_graph_and_its_next_version_are_two_takes(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    video = await gpu_studio.request(clips=1, graph=await added(gpu_studio, comfy), **VIDEO)
    first = await gpu_studio.make(video)
    template = await own_graph(comfy)
    template.graph["85"]["inputs"]["cfg"] = 5.0
    newer = await add_graph(template, ModelStore(gpu_studio.database), gpu_studio.objects)
    second = await gpu_studio.make(video.model_copy(update={"video_id": "vid_2", "graph": newer.graph_file}))
    assert first.clips[0].take != second.clips[0].take
    assert [entry.state for entry in comfy.ledger.prompts] == ["success", "success"]


async def test_what_it_cannot_do_is_refused_before_anything_is_sent(
    gpu_studio: StudioAtWork, comfy: ComfySimulator
) -> None:
    told = await reason(gpu_studio, graph=await added(gpu_studio, comfy), loras=({"name": "one.safetensors"},))
    assert "loras: mine: this graph takes no LoRA (one.safetensors)" in told
    assert comfy.ledger.accepted == 0


async def test_one_that_is_not_there_is_refused(gpu_studio: StudioAtWork, comfy: ComfySimulator) -> None:
    graph = await added(gpu_studio, comfy)
    await gpu_studio.objects.delete(graph.key)
    assert f"graph: {graph.key} is not in the object store" in await reason(gpu_studio, graph=graph)


async def test_another_file_is_no_graph(gpu_studio: StudioAtWork, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    file = await gpu_studio.objects.put(path, "graphs/mine/x.json", "application/json")
    assert "graph: graphs/mine/x.json is no graph that was added" in await reason(gpu_studio, graph=file)
