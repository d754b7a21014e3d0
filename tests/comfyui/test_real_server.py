"""The client against a real ComfyUI server, old (0.3.64) or new: what no simulator can prove."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from PIL import Image

from studio.errors import (
    ComfyError,
    ExecutionFailed,
    GraphRefused,
    InvalidValue,
    ModelMissing,
    NodeMissing,
    OutputMissing,
    RenderInterrupted,
)
from studio.media.probe import probe
from studio.providers.comfyui import ComfyClient
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput, release
from studio.providers.comfyui_socket import ComfyProgress, new_client_id
from tests.comfyui import graphs
from tests.comfyui.graphs import FRAMES, HEIGHT, OUTPUT, WIDTH, Graph

pytestmark = [pytest.mark.comfyui, pytest.mark.timeout(300)]

LONGEST = 120.0
"""Seconds a small graph may take, others' prompts before it included."""


def fresh() -> tuple[str, str]:
    """A prompt id and a file prefix nobody has used."""
    prompt_id = str(uuid.uuid4())
    return prompt_id, f"longtake/test/{prompt_id}"


async def submit(client: ComfyClient, make: Callable[[str], Graph]) -> tuple[str, str]:
    prompt_id, prefix = fresh()
    await client.submit(make(prefix), prompt_id=prompt_id, client_id=new_client_id())
    return prompt_id, prefix


async def until(client: ComfyClient, prompt_id: str, check: Callable[[ComfyJob | None], bool]) -> ComfyJob | None:
    deadline = time.monotonic() + LONGEST
    while not check(job := await client.look_up(prompt_id)):
        assert time.monotonic() < deadline, f"waited in vain: {job}"
        await asyncio.sleep(0.02)
    return job


async def ended(client: ComfyClient, prompt_id: str) -> ComfyJob:
    job = await until(client, prompt_id, lambda job: job is not None and job.finished)
    assert job is not None
    return job


async def running(client: ComfyClient, prompt_id: str) -> None:
    job = await until(client, prompt_id, lambda job: job is not None and job.state != "pending")
    assert job is not None and job.state == "running", job


async def refused(client: ComfyClient, graph: Graph, prompt_id: str) -> ComfyError:
    with pytest.raises(ComfyError) as error:
        await client.submit(graph, prompt_id=prompt_id, client_id=new_client_id())
    return error.value


def png(colour: tuple[int, int, int]) -> bytes:
    file = BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), colour).save(file, "PNG")
    return file.getvalue()


# ── client ───────────────────────────────────────────────────────────────


async def test_the_server_tells_what_it_is(client: ComfyClient) -> None:
    stats = await client.system_stats()
    assert release(stats.version) >= (0, 3, 44), "older servers give prompts ids of their own"
    assert stats.devices
    assert "SaveImage" in await client.object_info()


async def test_a_prompt_nobody_submitted_is_unknown(client: ComfyClient) -> None:
    assert await client.look_up(str(uuid.uuid4())) is None


async def test_a_picture_is_made_without_a_model(client: ComfyClient, tmp_path: Path) -> None:
    prompt_id, prefix = await submit(client, graphs.picture)
    assert await client.look_up(prompt_id) is not None, "a prompt is known as soon as it is submitted"
    job = await ended(client, prompt_id)
    assert job.state == "success"
    output = job.output(OUTPUT)
    length = await client.fetch(output, tmp_path / "picture.png")
    with Image.open(tmp_path / "picture.png") as made:
        assert made.size == (WIDTH, HEIGHT)
    found = await client.find_output(prefix, ".png")
    assert found == ComfyOutput(output.filename, output.subfolder, size=length)


async def test_a_clip_is_made_without_a_model(client: ComfyClient, tmp_path: Path) -> None:
    prompt_id, prefix = await submit(client, graphs.clip)
    job = await ended(client, prompt_id)
    assert job.state == "success", job
    assert await client.find_output(prefix, ".mp4") is not None
    await client.fetch(job.output(OUTPUT), tmp_path / "clip.mp4")
    made = await asyncio.to_thread(probe, tmp_path / "clip.mp4")
    assert (made.width, made.height, made.frames) == (WIDTH, HEIGHT, FRAMES)


async def test_an_uploaded_picture_is_what_the_graph_sees(client: ComfyClient, tmp_path: Path) -> None:
    still = png((200, 60, 30))
    name = await client.upload(still, "still.png")
    assert await client.upload(still, "again.png") == name, "the same bytes have the same name"
    assert await client.upload(png((30, 60, 200)), "other.png") != name
    prompt_id, _ = await submit(client, lambda prefix: graphs.copy_of(name, prefix))
    job = await ended(client, prompt_id)
    await client.fetch(job.output(OUTPUT), tmp_path / "copy.png")
    with Image.open(tmp_path / "copy.png") as copy:
        assert copy.convert("RGB").getpixel((1, 1)) == (200, 60, 30)


async def test_a_file_that_was_never_made_is_not_there(client: ComfyClient, tmp_path: Path) -> None:
    _, prefix = fresh()
    assert await client.find_output(prefix, ".png") is None
    with pytest.raises(OutputMissing):
        await client.fetch(ComfyOutput("nothing_00001_.png", "longtake/test"), tmp_path / "nothing.png")


async def test_progress_is_told_while_the_prompt_goes_on(client: ComfyClient) -> None:
    (prompt_id, prefix), client_id = fresh(), new_client_id()
    graph = graphs.slow(prefix, nodes=12)
    fractions, nodes = [], set()
    async with aclosing(client.watch(prompt_id, client_id)) as hints:
        assert isinstance(await anext(hints), ComfyProgress)  # the socket is open
        await client.submit(graph, prompt_id=prompt_id, client_id=client_id)
        async for hint in hints:
            if isinstance(hint, ComfyProgress):
                nodes.add(hint.node)
                fractions.append(hint.fraction(dict.fromkeys(graph, 1.0)))
    assert {"s1", "s12"} <= nodes
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert (await ended(client, prompt_id)).state == "success"


async def test_a_running_prompt_tells_who_listens(client: ComfyClient) -> None:
    """Without it nobody could watch a prompt that another process had sent."""
    (prompt_id, prefix), client_id = fresh(), new_client_id()
    await client.submit(graphs.slow(prefix), prompt_id=prompt_id, client_id=client_id)
    await running(client, prompt_id)
    assert await client.client_of(prompt_id) == client_id
    job = await client.look_up(prompt_id)
    assert job is not None and job.client_id in (client_id, None), "some versions do not tell it here"
    await client.cancel(prompt_id)
    await over(client, prompt_id)


async def test_the_queue_tells_how_many_come_first(client: ComfyClient) -> None:
    first, _ = await submit(client, graphs.slow)
    second, _ = await submit(client, graphs.picture)
    queue = await client.queue()
    before, after = queue.ahead_of(first), queue.ahead_of(second)
    assert before is not None and after is not None and after > before
    for prompt_id in (second, first):
        await client.cancel(prompt_id)
    await over(client, first, second)


async def test_memory_is_given_back(client: ComfyClient) -> None:
    await client.free()
    assert (await client.system_stats()).version


# ── errors ───────────────────────────────────────────────────────────────


async def test_a_missing_model_is_named_with_its_folder(client: ComfyClient) -> None:
    prompt_id, prefix = fresh()
    missing = await refused(client, graphs.without_its_model(prefix), prompt_id)
    assert type(missing) is ModelMissing
    assert str(missing) == (
        "Model file longtake_nobody_has_this.safetensors is missing on this ComfyUI server; it belongs in models/vae"
    )
    assert await client.look_up(prompt_id) is None


async def test_a_missing_node_is_named(client: ComfyClient) -> None:
    prompt_id, prefix = fresh()
    graph = graphs.picture(prefix)
    graph["2"]["class_type"] = "LongtakeNobodyHasThis"
    missing = await refused(client, graph, prompt_id)
    assert type(missing) is NodeMissing
    assert 'Node LongtakeNobodyHasThis (node 2 "resize") is not installed' in str(missing)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upscale_method": "magic"}, "upscale_method: 'magic' not in"),
        ({"width": 99_999}, "width: Value 99999 bigger than max of 16384"),
        ({"width": "wide"}, "Failed to convert an input value to a INT value: width, wide"),
    ],
    ids=str,
)
async def test_an_invalid_value_is_named(client: ComfyClient, changes: Graph, words: str) -> None:
    prompt_id, prefix = fresh()
    invalid = await refused(client, graphs.picture(prefix, **changes), prompt_id)
    assert type(invalid) is InvalidValue
    assert f'node 2 "resize" (ImageScale): {words}' in str(invalid)


async def test_a_graph_without_an_output_is_refused(client: ComfyClient) -> None:
    prompt_id, prefix = fresh()
    graph = graphs.picture(prefix)
    del graph[OUTPUT]
    told = await refused(client, graph, prompt_id)
    assert type(told) is GraphRefused
    assert "Prompt has no outputs" in str(told)


async def test_a_graph_that_is_taken_in_part_is_refused_and_not_made(client: ComfyClient) -> None:
    prompt_id, prefix = fresh()
    invalid = await refused(client, graphs.half_good(prefix), prompt_id)
    assert type(invalid) is InvalidValue
    assert 'node 10 "second save" (SaveImage)' in str(invalid)
    await over(client, prompt_id)
    assert await client.find_output(prefix, ".png") is None


async def test_a_failed_node_is_named_with_its_title(client: ComfyClient) -> None:
    name = await client.upload(uuid.uuid4().bytes, "no_picture.png")
    prompt_id, _ = await submit(client, lambda prefix: graphs.copy_of(name, prefix))
    job = await ended(client, prompt_id)
    assert job.state == "failed"
    assert isinstance(job.error(), ExecutionFailed)
    assert 'node 1 "still" (LoadImage)' in str(job.error())


# ── cancel ───────────────────────────────────────────────────────────────


async def over(client: ComfyClient, *prompt_ids: str) -> None:
    for prompt_id in prompt_ids:
        await until(client, prompt_id, lambda job: job is None or job.finished)


async def stopped(client: ComfyClient, prompt_id: str, ask: Callable[[], Awaitable[object]]) -> ComfyJob:
    """Ask twice a second until it has ended: an interrupt in the moment a prompt begins can get lost."""
    deadline = time.monotonic() + LONGEST
    while time.monotonic() < deadline:
        await ask()
        for _ in range(25):
            job = await client.look_up(prompt_id)
            if job is not None and job.finished:
                return job
            await asyncio.sleep(0.02)
    raise AssertionError(f"waited in vain: {job}")


async def test_a_running_prompt_is_interrupted_within_two_seconds(client: ComfyClient) -> None:
    prompt_id, prefix = await submit(client, graphs.slow)
    await running(client, prompt_id)
    begun = time.monotonic()
    job = await stopped(client, prompt_id, lambda: client.cancel(prompt_id))
    assert time.monotonic() - begun < 2
    assert job.state == "interrupted"
    assert await client.find_output(prefix, ".png") is None


async def test_a_waiting_prompt_is_taken_from_the_queue_and_the_running_one_goes_on(client: ComfyClient) -> None:
    first, _ = await submit(client, graphs.slow)
    second, _ = await submit(client, graphs.picture)
    await running(client, first)
    await client.cancel(second)
    assert (await client.queue()).state_of(second) is None
    assert (await client.queue()).state_of(first) == "running"
    await client.cancel(first)
    await over(client, first, second)


async def test_a_cancellation_of_nothing_stops_nobody(client: ComfyClient) -> None:
    prompt_id, _ = await submit(client, graphs.slow)
    await running(client, prompt_id)
    await client.cancel(str(uuid.uuid4()))
    assert (await client.queue()).state_of(prompt_id) == "running"
    await client.cancel(prompt_id)
    await over(client, prompt_id)
    await client.cancel(prompt_id)  # a second time, when all is over


async def test_somebody_else_s_interrupt_is_told_as_such(client: ComfyClient, comfyui_url: str) -> None:
    prompt_id, _ = await submit(client, graphs.slow)
    await running(client, prompt_id)
    async with httpx.AsyncClient(base_url=comfyui_url) as somebody:
        interrupt = {"prompt_id": prompt_id}
        job = await stopped(client, prompt_id, lambda: somebody.post("/interrupt", json=interrupt))
    assert type(job.error()) is RenderInterrupted
    assert "ComfyUI server at node s" in str(job.error())


async def test_after_a_cancellation_the_next_prompt_is_served(client: ComfyClient) -> None:
    await submit_and(client, graphs.slow, client.cancel)
    prompt_id, _ = await submit(client, graphs.picture)
    assert (await ended(client, prompt_id)).state == "success"


async def submit_and(client: ComfyClient, make: Callable[[str], Graph], then: Callable[[str], Awaitable[None]]) -> None:
    prompt_id, _ = await submit(client, make)
    await then(prompt_id)
    await over(client, prompt_id)
