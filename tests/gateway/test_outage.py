"""Temporal or PostgreSQL is down: a callback is stored, handed over, or refused; it is never dropped."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec

from gateway.delivery import BATCH
from local.processes import free_port
from local.temporal_server import TemporalServer, start_temporal
from simulators.kie import KieSimulator
from studio.callback_address import CallbackSigner, CallbackSubject
from studio.store.pool import open_database
from tests.gateway.conftest import Gateway, StartGateway
from tests.gateway.videos import CalledVideo, PlaceOrder, Video, address, served, start_video
from tests.simulators.callers import KieCaller, order, until
from tests.studio_at_work import eventually
from workflows_temporal.connection import connect

StartTemporal = Callable[[], Awaitable[TemporalServer]]
SECRET = "a-secret-for-callbacks"


@pytest.fixture
async def temporal_here(tmp_path: Path, stack: AsyncExitStack) -> AsyncIterator[StartTemporal]:
    """A dev server that comes and goes, always with the same data and at the same address."""
    port, ui_port = free_port(), free_port()

    async def start() -> TemporalServer:
        server = await start_temporal(
            tmp_path / "temporal", logs=tmp_path, port=port, ui_port=ui_port, exact_ports=True
        )
        stack.push_async_callback(server.process.stop)
        return server

    yield start


async def numbers(video: Video, at_least: int) -> list[int]:
    seen = await eventually(lambda: video.query(CalledVideo.calls), lambda calls: len(calls) >= at_least)
    return sorted(call.number for call in seen)


async def test_callbacks_wait_for_a_temporal_that_is_down_also_when_the_gateway_is_another_one(
    temporal_here: StartTemporal,
    start_gateway: StartGateway,
    kie: KieSimulator,
    caller: KieCaller,
    ordered: PlaceOrder,
) -> None:
    """Down when the first gateway starts; there again when the second does, which was told nothing."""
    server = await temporal_here()
    video = await start_video(await connect(server.address))
    await server.process.stop()

    gateway = await start_gateway(await connect(server.address, lazy=True))
    path = address(clip=1, intent=await ordered(clip=1))
    assert (await gateway.post(path)).json() == {"status": "stored"}
    path = address(clip=2, intent=await ordered(clip=2))
    await caller.task(order(callback=gateway.url + path))
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [200])
    assert (await gateway.http.get("/readyz")).status_code == 503
    assert await gateway.inbox.waiting() == 2

    server = await temporal_here()
    other = await start_gateway(await connect(server.address, lazy=True))
    async with served(await connect(server.address)):
        assert await numbers(video, 2) == [1, 2]
        await other.emptied()
        assert (await other.http.get("/readyz")).status_code == 200


async def test_a_temporal_that_takes_calls_and_says_nothing_loses_nothing(
    start_gateway: StartGateway, silent: Client, temporal: Client, video: Video, ordered: PlaceOrder
) -> None:
    gateway = await start_gateway(silent, answer=timedelta(seconds=1))
    for clip in (1, 2):
        path = address(clip=clip, intent=await ordered(clip=clip))
        assert (await gateway.post(path)).status_code == 200
    assert await gateway.inbox.waiting() == 2
    await start_gateway(temporal)
    assert await numbers(video, 2) == [1, 2]


class Broken(PayloadCodec):
    """A codec that has lost its keys."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise ValueError("no key")

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise ValueError("no key")


async def test_callbacks_that_cannot_be_sent_at_all_stay_and_hold_up_none_that_come_later(
    start_gateway: StartGateway, ordered: PlaceOrder
) -> None:
    client = await Client.connect("127.0.0.1:1", lazy=True, data_converter=DataConverter(payload_codec=Broken()))
    gateway = await start_gateway(client)
    with structlog.testing.capture_logs() as lines:
        for clip in range(1, BATCH + 3):
            assert (await gateway.post(address(clip=clip, intent=await ordered(clip=clip)))).status_code == 200
        await until(lambda: [line["event"] for line in lines].count("callback.unsendable") == BATCH + 2)
    assert await gateway.inbox.waiting() == BATCH + 2


async def test_without_postgresql_a_callback_is_refused_for_now_unless_its_video_can_be_told_at_once(
    start_gateway: StartGateway, temporal: Client, nowhere: Client, video: Video, gateway: Gateway
) -> None:
    intent = "5f6c1e5e-0000-4000-8000-000000000001"
    code = CallbackSigner(SECRET).code(CallbackSubject("kie", intent, "poke1", "vid_1", 7))
    path = address(intent=intent) + f"&signature={code}"
    async with open_database(f"postgresql://nobody@127.0.0.1:{free_port()}/none") as away:
        plain = await start_gateway(temporal, inbox=away)
        cut_off = await start_gateway(nowhere, inbox=away, secret=SECRET)
        for one in (plain, cut_off):
            answer = await one.post(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
            assert answer.json()["detail"] == "The callback could not be stored."
        assert await video.query(CalledVideo.calls) == []

        answer = await (await start_gateway(temporal, inbox=away, secret=SECRET)).post(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "stored"})
        assert await numbers(video, 1) == [7]
