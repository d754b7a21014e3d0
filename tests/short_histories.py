"""A Temporal server that suggests to continue as new after 150 events instead of 4,096."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

from local.processes import free_port, listening, spawn
from local.temporal_server import answers, server_flags, temporal_binary
from workflows_temporal.connection import connect, ensure_search_attributes

EVENTS = 150


@asynccontextmanager
async def short_histories(logs: Path) -> AsyncIterator[Client]:
    """Such a server, in memory."""
    port = free_port()
    limit = f"limit.historyCount.suggestContinueAsNew={EVENTS}"
    argv: list[str | Path] = [temporal_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    argv += ["--port", str(port), *server_flags(), "--dynamic-config-value", limit]
    server = await spawn("temporal", argv, log=logs / "temporal.log")
    await server.until(lambda: listening(port))
    await server.until(lambda: asyncio.ensure_future(answers(f"127.0.0.1:{port}")))
    client = await connect(f"127.0.0.1:{port}")
    await ensure_search_attributes(client)
    yield client
    await server.stop()
