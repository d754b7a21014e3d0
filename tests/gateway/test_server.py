"""The server against strangers: over real sockets, half open, dripping, too many."""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from temporalio.client import Client

from gateway.damping import Damped, RateLimit, TokenBucket
from gateway.server import MOST_REQUESTS
from tests.gateway.conftest import Gateway, StartGateway
from tests.gateway.videos import address

ROOT = Path(__file__).parents[2]
SOON = timedelta(seconds=0.4)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connection(gateway: Gateway) -> Streams:
    place = urlsplit(gateway.url)
    return await asyncio.open_connection(place.hostname, place.port)


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What came until the gateway hung up."""
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    """One byte at a time, for ever, until the other side has hung up."""
    try:
        while True:
            writer.write(text)
            await writer.drain()
            await asyncio.sleep(0.02)
    except ConnectionError:
        return


async def dripped(gateway: Gateway, first: bytes, text: bytes) -> bytes:
    reader, writer = await connection(gateway)
    writer.write(first)
    dripping = asyncio.create_task(drip(writer, text))
    answer = await closed(reader)
    dripping.cancel()
    writer.close()
    return answer


def head(path: str, *lines: str) -> bytes:
    return "\r\n".join((f"POST {path} HTTP/1.1", "Host: gateway", *lines, "", "")).encode()


async def test_a_request_that_does_not_get_on_is_ended_wherever_it_stops(
    start_gateway: StartGateway, nowhere: Client
) -> None:
    gateway = await start_gateway(nowhere, head=SOON, body=SOON)
    health = b"GET /healthz HTTP/1.1\r\nHost: gateway\r\n\r\n"
    stops: list[tuple[bytes, bytes, bytes]] = [
        (b"", b"", b"408"),  # connects, and says nothing
        (b"POST /callbacks HTTP/1.1\r\nHost: ga", b"", b"408"),
        (b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n", b"408"),  # a head without an end
        (health + b"GET /heal", b"", b"200"),  # the second request on a connection
        (health + b"GET /healthz HTTP/1.1\r\n", b"X: y\r\n", b"200"),
        (head(address(), "Content-Length: 100") + b"{", b"", b"408"),
        (head(address(), "Content-Length: 100000"), b" ", b"408"),
        (head(address(), "Transfer-Encoding: chunked"), b"1\r\n \r\n", b"408"),
        (head("/nowhere", "Content-Length: 100000"), b" ", b"404"),  # answered before its body is here
    ]
    answers = await asyncio.gather(*(dripped(gateway, first, text) for first, text, _ in stops))
    for (first, drip, status), answer in zip(stops, answers, strict=True):
        # A connection that is closed while its sender goes on is reset, and the reset may overtake the answer.
        assert answer.startswith(b"HTTP/1.1 " + status) or (drip and not answer), (first, answer)


async def test_half_open_connections_by_the_hundred_are_gone_soon_and_others_are_served_meanwhile(
    start_gateway: StartGateway, nowhere: Client
) -> None:
    gateway = await start_gateway(nowhere, head=timedelta(seconds=2))
    async with AsyncExitStack() as stack:
        held = [await connection(gateway) for _ in range(MOST_REQUESTS - 5)]
        for _, writer in held:
            stack.callback(writer.close)
            writer.write(b"POST /callbacks/kie/")
        assert (await gateway.http.get("/healthz")).status_code == 200
        more = [await connection(gateway) for _ in range(10)]
        for _, writer in more:
            stack.callback(writer.close)
        assert (await gateway.http.get("/healthz", headers={"Connection": "close"})).status_code == 503
        answers = await asyncio.gather(*(closed(reader) for reader, _ in held + more))
        assert {answer[:12] for answer in answers} == {b"HTTP/1.1 408"}
    assert (await gateway.http.get("/healthz")).status_code == 200


async def test_connections_beyond_a_bound_are_closed_at_once(start_gateway: StartGateway, nowhere: Client) -> None:
    gateway = await start_gateway(nowhere, most_connections=20)
    held = [await connection(gateway) for _ in range(20)]
    reader, over = await connection(gateway)
    assert await closed(reader) == b""
    for _, writer in [*held, (reader, over)]:
        writer.close()


async def test_a_websocket_is_not_spoken(gateway: Gateway) -> None:
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "x"}
    assert (await gateway.http.get("/healthz", headers=asked)).status_code == 200
    assert (await gateway.http.get("/callbacks/kie/1", headers=asked)).status_code == 405


async def test_a_head_that_is_too_long_is_refused(gateway: Gateway) -> None:
    reader, writer = await connection(gateway)
    writer.write(b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 20_000)
    assert (await closed(reader)).startswith(b"HTTP/1.1 400")
    writer.close()


# ── file descriptors run out ─────────────────────────────────────────────

FEW_FILES = """
import asyncio, resource, sys
from temporalio.client import Client
from gateway.app import create_app
from gateway.server import Server
from studio.logs import set_up_logs
from studio.store.pool import Database

async def main():
    temporal = await Client.connect("127.0.0.1:1", lazy=True)
    app = create_app(temporal, Database("postgresql://nobody@127.0.0.1:1/none"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
    await Server(app, host="127.0.0.1", port=0, announce=lambda url: print(url, flush=True)).serve()

set_up_logs()
asyncio.run(main())
"""


async def test_when_files_run_out_the_log_stays_short_and_service_goes_on() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", FEW_FILES),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        url = (await process.stdout.readline()).decode().strip()
        place = urlsplit(url)
        held = [await asyncio.open_connection(place.hostname, place.port) for _ in range(60)]
        await asyncio.sleep(2.5)  # the time in which it logged two times 2,048 tracebacks
        for _, writer in held:
            writer.close()
        status = b""
        while not status.startswith(b"HTTP/1.1 200"):
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n")
            status = await closed(reader)
            writer.close()
    finally:
        process.terminate()
        log = (await process.communicate())[1]
    lines = [json.loads(line)["event"] for line in log.splitlines()]
    assert "gateway.accept_failed" in lines
    assert len(lines) < 20, lines
    assert len(log) < 50_000


# ── limits ───────────────────────────────────────────────────────────────


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_lets_a_burst_pass_and_then_so_many_per_second() -> None:
    clock = Clock()
    bucket = TokenBucket(2.0, 5.0, clock=clock)
    assert [bucket.take() for _ in range(7)] == [True] * 5 + [False] * 2
    clock.now = 1.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    clock.now = 3_600.0
    assert sum(bucket.take() for _ in range(100)) == 5


def test_one_key_over_its_limit_takes_nothing_from_the_others() -> None:
    limit = RateLimit(each=(1.0, 3.0), all_together=(10.0, 5.0), most_keys=2, clock=Clock())
    assert [limit.take("a") for _ in range(1_000)].count(True) == 3
    assert [limit.take("b") for _ in range(1_000)].count(True) == 2  # five in all
    assert not limit.take("c")


def test_an_event_strangers_cause_is_logged_once_in_a_while_with_its_count() -> None:
    clock = Clock()
    damped = Damped("callback.refused", clock=clock)
    with structlog.testing.capture_logs() as lines:
        for _ in range(500):
            damped.warning(reason="forged")
        clock.now = 60.0
        damped.warning(reason="forged")
    assert [line.get("left_out", 0) for line in lines] == [0, 499]
