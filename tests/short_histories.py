"""A Temporal server that suggests to continue as new after 100 events instead of 4,096."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

from tests.dev_server import connect_patiently, dev_server
from workflows_temporal.connection import ensure_search_attributes

EVENTS = 100


@asynccontextmanager
async def short_histories(logs: Path) -> AsyncIterator[Client]:
    """Such a server, in memory."""
    async with dev_server(logs, {"limit.historyCount.suggestContinueAsNew": str(EVENTS)}) as address:
        client = await connect_patiently(address)
        await ensure_search_attributes(client)
        yield client
