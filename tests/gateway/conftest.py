"""A gateway for each test, over real HTTP; a Temporal that answers and an address where there is none."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from gateway.app import create_app
from gateway.server import Server
from gateway.signals import SignalQueue
from gateway.signatures import SignatureCheck
from local.processes import free_port
from simulators.kie import KieConfig, KieSimulator
from tests.gateway.films import Film, served, start_film
from tests.simulators.callers import KieCaller
from workflows_temporal.connection import connect

KEY = "sim-hmac-key"


class Gateway:
    """A gateway that serves, and a client of it."""

    def __init__(self, signals: SignalQueue, url: str, http: httpx.AsyncClient) -> None:
        self.signals = signals
        self.url = url
        self.http = http


StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
def start_gateway(stack: AsyncExitStack) -> StartGateway:
    """Start a gateway on a free port."""

    async def start(temporal: Client, *, key: str | None = None, **options: Any) -> Gateway:
        signals = SignalQueue(temporal, **options)
        app = create_app(temporal, signals, signatures=SignatureCheck(key) if key else None)
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = Server(app, host="127.0.0.1", port=0, announce=told.set_result)
        serving = asyncio.create_task(server.serve())

        async def end() -> None:
            server.stop()
            await serving

        stack.push_async_callback(end)
        url = await told
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=5, verify=False))
        return Gateway(signals, url, http)

    return start


@pytest.fixture
async def gateway(start_gateway: StartGateway, temporal: Client) -> Gateway:
    return await start_gateway(temporal)


@pytest.fixture
async def signed_gateway(start_gateway: StartGateway, temporal: Client) -> Gateway:
    """A gateway that asks for signatures."""
    return await start_gateway(temporal, key=KEY)


@pytest.fixture
async def nowhere() -> Client:
    """A client of a Temporal that is not there."""
    return await connect(f"127.0.0.1:{free_port()}", lazy=True)


@pytest.fixture
async def silent(stack: AsyncExitStack) -> Client:
    """A client of something that takes calls and says nothing."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return await connect(f"127.0.0.1:{listener.getsockname()[1]}", lazy=True)


@pytest.fixture
async def film(temporal: Client, stack: AsyncExitStack) -> Film:
    """A film that waits for clips."""
    await stack.enter_async_context(served(temporal))
    return await start_film(temporal)


@pytest.fixture
async def kie() -> AsyncIterator[KieSimulator]:
    """KIE.ai that is done with a task at once."""
    config = KieConfig(clips="placeholder", default_size=(64, 36), duration=(0, 0))
    async with KieSimulator(config) as simulator:
        yield simulator


@pytest.fixture
async def caller(kie: KieSimulator) -> AsyncIterator[KieCaller]:
    async with KieCaller(kie) as caller:
        yield caller
