"""ComfyUI servers that work and misbehave, of three generations, simulated over real HTTP: what holds for all."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from simulators.comfyui import ComfyConfig, ComfySimulator
from simulators.comfyui.versions import Generation
from studio.errors import DownloadBroken, ExecutionFailed, GraphRefused, OutOfMemory, OutputMissing, ServerGone
from studio.providers.comfyui import ComfyClient, open_comfyui
from studio.providers.comfyui_answers import ComfyJob, ComfyOutput
from studio.providers.comfyui_socket import ComfyProgress, new_client_id
from tests.comfyui import graphs
from tests.comfyui.graphs import OUTPUT
from tests.simulators.callers import until

LONG = 3_600.0
"""Virtual seconds of a prompt that does not end by itself."""


@pytest.fixture(params=["new", "middle", "old"])
async def server(request: pytest.FixtureRequest) -> AsyncIterator[ComfySimulator]:
    config = ComfyConfig(generation=cast(Generation, request.param), files="placeholder")
    async with ComfySimulator(config) as simulator:
        yield simulator
        assert simulator.state()["problems"] == []


@pytest.fixture
async def client(server: ComfySimulator) -> AsyncIterator[ComfyClient]:
    async with open_comfyui(url=server.api_url) as opened:
        yield opened


async def submit(
    client: ComfyClient, prompt_id: str = "", make: Callable[[str], graphs.Graph] = graphs.picture
) -> tuple[str, str]:
    prompt_id = prompt_id or str(uuid.uuid4())
    prefix = f"longtake/test/{prompt_id}"
    await client.submit(make(prefix), prompt_id=prompt_id, client_id=new_client_id())
    return prompt_id, prefix


async def ended(client: ComfyClient, prompt_id: str) -> ComfyJob:
    async with asyncio.timeout(10):
        while True:
            job = await client.look_up(prompt_id)
            if job is not None and job.finished:
                return job


async def running(server: ComfySimulator, prompt_id: str) -> None:
    await until(lambda: server.ledger.of(prompt_id)[0].state == "running")


async def test_a_picture_is_submitted_waited_for_and_fetched(
    server: ComfySimulator, client: ComfyClient, tmp_path: Path
) -> None:
    prompt_id, prefix = await submit(client)
    output = (await ended(client, prompt_id)).output(OUTPUT)
    length = await client.fetch(output, tmp_path / "picture.png")
    Image.open(tmp_path / "picture.png").verify()
    assert await client.find_output(prefix, "png") == ComfyOutput(output.filename, output.subfolder, size=length)


async def test_a_lost_reply_is_one_submission(server: ComfySimulator, client: ComfyClient) -> None:
    for fault in ("accept_then_reset", "truncated_body", "zero_bytes", "html"):
        server.script("prompt", [{"kind": "html", "status": 502, "after": True} if fault == "html" else fault])
        prompt_id, _ = await submit(client)
        assert len(server.ledger.of(prompt_id)) == 1


async def test_a_submission_that_never_arrived_is_tried_again_by_whoever_looked(
    server: ComfySimulator, client: ComfyClient
) -> None:
    prompt_id = str(uuid.uuid4())
    server.script("prompt", ["reset_before"])
    with pytest.raises(ServerGone):
        await submit(client, prompt_id)
    assert await client.look_up(prompt_id) is None
    await submit(client, prompt_id)
    assert len(server.ledger.of(prompt_id)) == 1


async def test_a_restart_forgets_the_prompt_and_keeps_its_file(
    server: ComfySimulator, client: ComfyClient, tmp_path: Path
) -> None:
    prompt_id, prefix = await submit(client)
    await ended(client, prompt_id)
    await server.restart()
    assert await client.look_up(prompt_id) is None
    found = await client.find_output(prefix, ".png")
    assert found is not None
    assert await client.fetch(found, tmp_path / "picture.png") == found.size


async def test_a_server_that_died_is_gone_until_it_is_back(server: ComfySimulator, client: ComfyClient) -> None:
    prompt_id, _ = await submit(client)
    await server.die()
    with pytest.raises(ServerGone) as gone:
        await client.look_up(prompt_id)
    assert gone.value.retryable
    await server.accept_connections("api")
    assert await client.look_up(prompt_id) is None


async def test_a_server_that_hangs_is_gone(server: ComfySimulator) -> None:
    server.script("queue", ["hang"])
    async with open_comfyui(url=server.api_url, patience=0.1) as impatient:
        with pytest.raises(ServerGone, match="did not answer"):
            await impatient.queue()


@pytest.mark.parametrize("fault", ["reset_before", "truncated_body", {"wrong_length": 1_000}], ids=str)
async def test_a_download_that_broke_off_is_worth_another_try(
    server: ComfySimulator, client: ComfyClient, tmp_path: Path, fault: Any
) -> None:
    prompt_id, _ = await submit(client)
    output = (await ended(client, prompt_id)).output(OUTPUT)
    server.script("view", [fault])
    with pytest.raises(DownloadBroken) as broken:
        await client.fetch(output, tmp_path / "picture.png")
    assert broken.value.retryable
    assert not (tmp_path / "picture.png").exists()
    await client.fetch(output, tmp_path / "picture.png")


@pytest.mark.parametrize("outputs", ["none", "temp"])
async def test_a_success_without_its_file_is_told(server: ComfySimulator, client: ComfyClient, outputs: str) -> None:
    server.order(outputs=outputs)
    prompt_id, _ = await submit(client)
    with pytest.raises(OutputMissing, match='node 9 "save"'):
        (await ended(client, prompt_id)).output(OUTPUT)


async def test_a_running_prompt_is_interrupted(server: ComfySimulator, client: ComfyClient) -> None:
    """Between two of its nodes; no node of this graph hears of it while it works."""
    server.order(seconds=8)
    prompt_id, _ = await submit(client, make=graphs.slow)
    await running(server, prompt_id)
    await client.cancel(prompt_id)
    assert (await ended(client, prompt_id)).state == "interrupted"
    (entry,) = server.ledger.of(prompt_id)
    assert entry.seconds_to_interrupt is not None and entry.seconds_to_interrupt < 2


async def test_an_interrupt_that_got_lost_is_asked_for_again(server: ComfySimulator, client: ComfyClient) -> None:
    """A server clears its flag when a prompt begins; whoever came a moment before was answered as well as anybody."""
    server.order(seconds=8, lost_interrupts=1)
    prompt_id, _ = await submit(client, make=graphs.slow)
    await running(server, prompt_id)
    await client.cancel(prompt_id)
    server.advance(1)
    assert (await client.queue()).state_of(prompt_id) == "running"
    await client.cancel(prompt_id)
    assert (await ended(client, prompt_id)).state == "interrupted"


async def test_who_hears_of_a_running_prompt_can_be_found_out(server: ComfySimulator, client: ComfyClient) -> None:
    server.order(seconds=LONG)
    prompt_id, client_id = str(uuid.uuid4()), new_client_id()
    await client.submit(graphs.picture("longtake/test/who"), prompt_id=prompt_id, client_id=client_id)
    await running(server, prompt_id)
    job = await client.look_up(prompt_id)
    assert job is not None and job.client_id == (None if server.config.generation == "middle" else client_id)
    assert await client.client_of(prompt_id) == client_id


async def test_a_waiting_prompt_is_taken_from_the_queue_and_a_stranger_s_goes_on(
    server: ComfySimulator, client: ComfyClient
) -> None:
    (theirs,) = server.add_foreign_prompt(LONG)
    prompt_id, _ = await submit(client)
    assert (await client.queue()).ahead_of(prompt_id) == 1
    await client.cancel(prompt_id)
    assert await client.look_up(prompt_id) is None
    assert server.ledger.of(theirs)[0].state == "running"


async def test_a_cancellation_that_comes_too_late_finds_a_success(server: ComfySimulator, client: ComfyClient) -> None:
    """While a file is encoded an interrupt is not heard."""
    server.order(seconds=0.2, deaf=True)
    prompt_id, _ = await submit(client)
    await running(server, prompt_id)
    await client.cancel(prompt_id)
    job = await ended(client, prompt_id)
    assert job.state == "success"
    assert job.output(OUTPUT).filename


async def test_out_of_memory_is_told_from_any_other_failure(server: ComfySimulator, client: ComfyClient) -> None:
    server.order(fail="oom", count=1)
    server.order(fail="error", nth=2)
    errors = [(await ended(client, (await submit(client))[0])).error() for _ in range(2)]
    assert [type(error) for error in errors] == [OutOfMemory, ExecutionFailed]


async def test_an_upload_has_the_same_name_every_time(server: ComfySimulator, client: ComfyClient) -> None:
    name = await client.upload(b"\x89PNG one", "a.png")
    assert await client.upload(b"\x89PNG one", "b.png") == name
    assert await client.upload(b"\x89PNG two", "a.png") != name
    assert name.startswith("longtake/")


async def test_a_body_the_server_cannot_read_is_refused_for_good(server: ComfySimulator, client: ComfyClient) -> None:
    server.script("prompt", [{"http": 500}])
    with pytest.raises(GraphRefused, match=r"\(500\)"):
        await submit(client)


async def test_progress_is_a_hint_that_may_fail_to_come(server: ComfySimulator, client: ComfyClient) -> None:
    prompt_id, client_id = str(uuid.uuid4()), new_client_id()
    graph = graphs.picture(f"longtake/test/{prompt_id}")
    async with aclosing(client.watch(prompt_id, client_id)) as hints:
        assert isinstance(await anext(hints), ComfyProgress)
        await client.submit(graph, prompt_id=prompt_id, client_id=client_id)
        told = [hint async for hint in hints]
    assert isinstance(told[-1], ComfyProgress)
    assert told[-1].fraction(dict.fromkeys(graph, 1.0)) == 1.0
    server.configure(sockets="refused")
    assert [hint async for hint in client.watch(prompt_id, client_id)] == []
