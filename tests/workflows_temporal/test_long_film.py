"""Films longer than one history."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from local.processes import free_port, listening, spawn
from local.temporal_server import server_flags, temporal_binary
from simulators.kie import KieSimulator
from studio.contracts.film import VideoStatus
from tests.studio_at_work import StudioAtWork, make_studio
from workflows_temporal.connection import connect
from workflows_temporal.video import VideoWorkflow

SHORT_HISTORY = 150
"""Events after which this server suggests to continue as new, instead of 4,096."""


@pytest.fixture
async def studio(database_url: str, kie: KieSimulator, tmp_path: Path) -> AsyncIterator[StudioAtWork]:
    """A studio on a server with short histories."""
    port = free_port()
    limit = f"limit.historyCount.suggestContinueAsNew={SHORT_HISTORY}"
    argv: list[str | Path] = [
        temporal_binary(),
        "server",
        "start-dev",
        "--headless",
        "--ip",
        "127.0.0.1",
        "--port",
        str(port),
    ]
    server = await spawn(
        "temporal", [*argv, *server_flags(), "--dynamic-config-value", limit], log=tmp_path / "temporal.log"
    )
    await server.until(lambda: listening(port))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        client = await connect(f"127.0.0.1:{port}")
        at_work = make_studio(client, database_url, kie, tmp_path, stack, kling_slots=40)
        await at_work.open()
        yield at_work


async def test_a_long_film_continues_as_new_and_makes_every_clip_once(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 130", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=140))
    progress = await studio.waiting(handle)
    assert progress.failed == [130]
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert result.summary == "Skipped 139 existing clips, generated 1 new clips"
    assert kie.ledger.accepted == 141
    assert kie.ledger.billed == 140
    runs = [run async for run in studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")]
    assert len(runs) >= 2
    assert (await studio.waiting(handle, VideoStatus.VIDEO_READY)).done == 140
