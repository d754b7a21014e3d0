"""A gateway for each test, over real HTTP; a Temporal that answers and an address where there is none."""

import asyncio
import hashlib
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from gateway.app import create_app
from gateway.delivery import ANSWER
from gateway.server import Server
from gateway.signatures import SignatureCheck
from local.processes import free_port
from simulators.kie import KieConfig, KieSimulator
from studio.callback_address import CallbackSigner
from studio.contracts.clip import ClipId
from studio.store.callbacks import CallbackInbox
from studio.store.orders import Order
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger
from tests.gateway.videos import CHANNEL, PlaceOrder, Video, body, served, start_video
from tests.simulators.callers import KieCaller
from tests.studio_at_work import eventually
from workflows_temporal.connection import connect

KEY = "sim-hmac-key"


class Gateway:
    """A gateway that serves, its inbox, and a client of it."""

    def __init__(self, inbox: CallbackInbox, url: str, http: httpx.AsyncClient) -> None:
        self.inbox = inbox
        self.url = url
        self.http = http

    async def post(self, path: str, told: object = None) -> httpx.Response:
        """Call back."""
        return await self.http.post(path, json=body() if told is None else told)

    async def emptied(self) -> None:
        """Wait until every callback that was taken is delivered."""
        await eventually(self.inbox.waiting, lambda waiting: waiting == 0)


StartGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def start_gateway(database: Database) -> AsyncIterator[StartGateway]:
    """Start a gateway on a free port."""
    stack = AsyncExitStack()

    async def start(
        temporal: Client,
        *,
        secret: str | None = None,
        key: str | None = None,
        inbox: Database = database,
        docs: bool = False,
        answer: timedelta = ANSWER,
        **limits: Any,
    ) -> Gateway:
        app = create_app(
            temporal,
            inbox,
            signer=CallbackSigner(secret) if secret else None,
            signatures=SignatureCheck(key) if key else None,
            docs=docs,
            answer=answer,
        )
        told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        server = Server(app, host="127.0.0.1", port=0, announce=told.set_result, **limits)
        serving = asyncio.create_task(server.serve())

        async def end() -> None:
            server.stop()
            await serving

        stack.push_async_callback(end)
        url = await told
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=url, timeout=240, verify=False))
        return Gateway(CallbackInbox(inbox), url, http)

    async with stack:
        yield start


@pytest.fixture
async def gateway(start_gateway: StartGateway, temporal: Client) -> Gateway:
    return await start_gateway(temporal)


@pytest.fixture
async def signed_gateway(start_gateway: StartGateway, temporal: Client) -> Gateway:
    """A gateway that asks for the provider's signatures."""
    return await start_gateway(temporal, key=KEY)


@pytest.fixture
async def ordered(database: Database) -> PlaceOrder:
    """Writes an order into the ledger; returns its id."""

    async def place(*, video: str = "vid_1", clip: int = 7, channel: str = CHANNEL) -> str:
        ledger = SubmissionLedger(database)
        order = Order(
            clip=ClipId(channel=channel, video_id=video, number=clip),
            take=hashlib.sha256(uuid.uuid4().bytes).hexdigest(),
            provider="kling",
            model="kling/v2-5-turbo-image-to-video-pro",
            seconds=5,
            price_usd=Decimal("0.21"),
        )
        return (await ledger.intend(order, sender="test")).id

    return place


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
async def video(temporal: Client, stack: AsyncExitStack) -> Video:
    """A video that waits for clips."""
    await stack.enter_async_context(served(temporal))
    return await start_video(temporal)


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
