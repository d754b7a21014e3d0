"""What a render's activity takes over from the attempt before it, whose worker is dead."""

import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.testing import ActivityEnvironment

from activities._comfy_check import ensure_taken
from activities._comfy_delivery import noted
from activities._comfy_identity import prompt_id_of
from activities._comfy_rules import RenderRules
from activities._comfy_servers import ComfyServers, name_of
from activities._comfy_slot import GpuSlot
from activities.comfy import ComfyActivities, RenderStores
from comfy_workflows.graph import load_graph
from simulators.comfyui import ComfySimulator
from studio.contracts.clip import ClipId
from studio.contracts.render import GraphParameters
from studio.contracts.rendering import GraphToRender, RenderedGraph, RenderState
from studio.errors import StudioError, TaskLost
from studio.objects.store import StorePlace, open_store
from studio.providers.comfyui import ComfyClient, open_comfyui
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput
from studio.store.events import EventStore
from studio.store.gpu_servers import GpuServerStore
from studio.store.pool import Database
from studio.store.renders import RenderStore
from studio.store.takes import TakeStore

TAKE = "ab" * 32
ORDER = GraphToRender(
    channel="poke1",
    take=TAKE,
    graph="z_image_turbo",
    parameters=GraphParameters(prompt="Haunter floats.", width=256, height=256, seed=1),
    clip=ClipId(channel="poke1", video_id="vid_1", number=1),
)
Continued = Callable[[RenderState], Awaitable[RenderedGraph]]


@pytest.fixture
async def client(comfy: ComfySimulator) -> AsyncIterator[ComfyClient]:
    async with open_comfyui(url=comfy.urls["api_url"]) as opened:
        yield opened


@pytest.fixture
async def continued(client: ComfyClient, comfy: ComfySimulator, database: Database, tmp_path: Path) -> Continued:
    """The activity, told what the attempt before it left in its heartbeats."""
    url, minute = comfy.urls["api_url"], timedelta(minutes=1)
    servers = ComfyServers(
        client, GpuSlot(client), GpuServerStore(database), lambda address: open_comfyui(url=address), url=url
    )
    objects = open_store(StorePlace(f"file://{tmp_path / 'objects'}"))
    stores = RenderStores(objects, EventStore(database), TakeStore(database), RenderStore(database))
    rules = RenderRules(tmp_path, minute, minute, minute, previews=False, prompts_in_files=True)
    activities = ComfyActivities(servers, stores, rules)

    async def run(state: RenderState) -> RenderedGraph:
        environment = ActivityEnvironment()
        left = [state.model_copy(update={"server": name_of(url)}).model_dump()]
        environment.info = dataclasses.replace(environment.info, heartbeat_details=left)
        return await environment.run(activities.render_graph, ORDER)

    return run


def attempts(comfy: ComfySimulator) -> list[int]:
    """Which attempts were sent to the server."""
    return [int(entry.prefix.rsplit("/", 1)[1]) for entry in comfy.ledger.prompts]


async def test_a_prompt_the_server_has_forgotten_is_lost_and_the_next_attempt_is_sent(
    continued: Continued, comfy: ComfySimulator
) -> None:
    rendered = await continued(RenderState(attempt=1, sent=True))
    assert rendered.attempt == 2
    assert attempts(comfy) == [2]


async def test_losses_are_counted_over_all_attempts_of_the_activity(
    continued: Continued, comfy: ComfySimulator
) -> None:
    with pytest.raises(StudioError, match="lost the render 3 times") as caught:
        await continued(RenderState(attempt=3, sent=True, losses=2))
    assert isinstance(caught.value, TaskLost)
    assert attempts(comfy) == []


async def test_an_attempt_the_dead_worker_had_no_time_to_tell_of_is_found(
    continued: Continued, comfy: ComfySimulator, client: ComfyClient
) -> None:
    comfy.order(seconds=200, count=1)
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 256, "height": 256, "batch_size": 1, "color": 0}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"longtake/{TAKE}/2"}},
    }
    await client.submit(graph, prompt_id=prompt_id_of(TAKE, 2), client_id="dead")
    rendered = await continued(RenderState(attempt=1, sent=True))
    assert rendered.attempt == 2
    assert attempts(comfy) == [2]


async def test_a_file_that_the_server_does_not_name_is_found_by_its_name_and_not_rendered_again(
    continued: Continued, comfy: ComfySimulator
) -> None:
    """All nodes were in its cache, say: success, and no outputs."""
    comfy.order(outputs="none", count=1)
    rendered = await continued(RenderState(attempt=1))
    assert rendered.attempt == 1
    assert attempts(comfy) == [1]


async def test_a_file_of_a_render_that_ended_before_is_found_by_its_name_too(
    continued: Continued, comfy: ComfySimulator
) -> None:
    comfy.order(outputs="none", count=1)
    await continued(RenderState(attempt=1))
    again = await continued(RenderState(attempt=1, sent=True))
    assert again.attempt == 1
    assert attempts(comfy) == [1]


async def test_a_graph_that_makes_only_previews_is_not_rendered_again_and_again(
    continued: Continued, comfy: ComfySimulator
) -> None:
    comfy.order(outputs="temp", count=1)
    with pytest.raises(StudioError, match="switch its save_output on") as told:
        await continued(RenderState(attempt=1))
    assert not told.value.retryable
    assert attempts(comfy) == [1]


async def test_a_graph_is_sent_with_its_model_files_as_the_server_spells_them(
    client: ComfyClient, comfy: ComfySimulator
) -> None:
    comfy.configure(models=["vae/z\\ae.safetensors", "qwen_3_4b.safetensors", "z_image_turbo_bf16.safetensors"])
    bound = load_graph("z_image_turbo").bind(GraphParameters(prompt="p", seed=1), images=[], prefix="longtake/a/1")
    bound.graph["29"]["inputs"]["vae_name"] = "z/ae.safetensors"
    sent = await ensure_taken(client, bound)
    assert sent.graph["29"]["inputs"]["vae_name"] == "z\\ae.safetensors"
    await client.submit(sent.graph, prompt_id=prompt_id_of(TAKE, 1), client_id="a")


def test_further_files_of_the_same_node_are_noted() -> None:
    bound = load_graph("wan22_i2v").bind(GraphParameters(prompt="p", seed=1), images=["a.png"], prefix="longtake/a/1")
    names = ["1_00001_.mp4", "1_00002_.mp4", "1_00001_.png"]
    files = tuple(ComfyOutput(name, node=bound.output_node) for name in names)
    for saved, notes in ((files, ("saved 2 files; the first one was taken",)), (files[1:], ())):
        job = ComfyJob("p", "success", outputs=saved)
        added = noted(job, job.output(bound.output_node, bound.kind), bound).notes[len(bound.notes) :]
        assert len(added) == len(notes)
        assert all(words in note for words, note in zip(notes, added, strict=True))
