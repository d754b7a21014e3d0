"""Temporal is down: callers are answered all the same, and films hear of it when it is back."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from temporalio.api.common.v1 import Payload
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec

from gateway.signals import HANDS
from local.processes import free_port
from local.temporal_server import TemporalServer, start_temporal
from simulators.kie import KieSimulator
from tests.gateway.conftest import Gateway, StartGateway
from tests.gateway.films import CalledFilm, Film, address, body, served, start_film
from tests.simulators.callers import KieCaller, order, until
from tests.studio_at_work import eventually
from workflows_temporal.connection import connect

StartTemporal = Callable[[], Awaitable[TemporalServer]]


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


async def quick_post(gateway: Gateway, path: str) -> int:
    """The status of a callback that was answered within a second."""
    began = time.monotonic()
    answer = await gateway.http.post(path, json=body())
    assert time.monotonic() - began < 1
    return answer.status_code


async def numbers(film: Film, at_least: int) -> list[int]:
    seen = await eventually(lambda: film.query(CalledFilm.calls), lambda calls: len(calls) >= at_least)
    return sorted(call.number for call in seen)


async def test_callbacks_wait_for_a_temporal_that_is_down(
    temporal_here: StartTemporal, start_gateway: StartGateway, kie: KieSimulator, caller: KieCaller
) -> None:
    """Down when the gateway starts, there, gone, and there again."""
    server = await temporal_here()
    film = await start_film(await connect(server.address))
    await server.process.stop()

    gateway = await start_gateway(await connect(server.address, lazy=True), answer=timedelta(seconds=1))
    assert await quick_post(gateway, address(clip=1)) == 200
    await caller.task(order(callback=gateway.url + address(clip=2)))
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [200])
    assert (await gateway.http.get("/readyz")).status_code == 503

    server = await temporal_here()
    async with served(await connect(server.address)):
        assert await numbers(film, 2) == [1, 2]
        assert (await gateway.http.get("/readyz")).status_code == 200

    await server.process.kill()
    with structlog.testing.capture_logs() as lines:
        assert await quick_post(gateway, address(clip=3)) == 200
        assert (await gateway.http.get("/readyz")).status_code == 503
        await until(lambda: "callback.delayed" in [line["event"] for line in lines])

    server = await temporal_here()
    async with served(await connect(server.address)):
        assert await numbers(film, 3) == [1, 2, 3]


async def test_a_temporal_that_takes_calls_and_says_nothing_keeps_nobody_waiting(
    start_gateway: StartGateway, silent: Client
) -> None:
    gateway = await start_gateway(silent)
    assert await quick_post(gateway, address()) == 200
    assert await quick_post(gateway, address()) == 200


class Broken(PayloadCodec):
    """A codec that has lost its keys."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise ValueError("no key")

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        raise ValueError("no key")


async def test_a_callback_that_cannot_be_sent_at_all_does_not_stop_the_next(start_gateway: StartGateway) -> None:
    converter = DataConverter(payload_codec=Broken())
    client = await Client.connect("127.0.0.1:1", lazy=True, data_converter=converter)
    gateway = await start_gateway(client)
    with structlog.testing.capture_logs() as lines:
        for _ in range(2 * HANDS):
            assert await quick_post(gateway, address()) == 200
        await gateway.signals.emptied()
    assert len([line for line in lines if line["event"] == "callback.lost"]) == 2 * HANDS


async def test_a_callback_that_waited_long_enough_is_dropped_with_a_line(
    start_gateway: StartGateway, nowhere: Client
) -> None:
    gateway = await start_gateway(nowhere, patience=timedelta(seconds=0.2))
    with structlog.testing.capture_logs() as lines:
        assert await quick_post(gateway, address()) == 200
        await gateway.signals.emptied()
    dropped = [line for line in lines if line["event"] == "callback.dropped"]
    assert [line["workflow_id"] for line in dropped] == ["video/poke1/vid_1"]
