"""Answers that never end, are too large, unpack to gigabytes or come after a stall: real sockets, raw bytes."""

import asyncio
import functools
import gzip
import json
import threading
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from studio.errors import ProviderUnavailable, ServerGone, SubmissionUnknown
from studio.providers import _http
from studio.providers.catbox import CatboxClient
from studio.providers.comfyui import ComfyClient
from studio.providers.kie import ORDER_DEADLINE, KieClient, open_kie
from studio.providers.notion import NotionClient
from workflows_temporal.policies import KLING_SUBMIT

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
NAMES_A_TASK = b'{"code":200,"msg":"success","data":{"taskId":"t1","note":"'

Speaker = Callable[[asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def speaking(speak: Speaker) -> AsyncIterator[str]:
    """A server that says what it likes, whatever it is asked."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await speak(writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and two hours have passed on the loop's clock."""
    loop, passed = asyncio.get_running_loop(), [0.0]
    clock = loop.time
    monkeypatch.setattr(loop, "time", lambda: clock() + passed[0])
    return lambda: passed.append(passed.pop() + 7200.0)


async def drip(writer: asyncio.StreamWriter, start: bytes, later: Callable[[], None]) -> None:
    """Say this, and then next to nothing for ever, while the deadline passes."""
    writer.write(start)
    await writer.drain()
    later()
    while True:
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"1\r\n \r\n" if b"\r\n\r\n" in start else b"X-More: 1\r\n")


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


async def lost(url: str, **bounds: Any) -> _http.AnswerLost:
    async with httpx.AsyncClient(timeout=httpx.Timeout(None)) as http:
        with pytest.raises(_http.AnswerLost) as raised:
            await _http.exchange(http, "GET", url, service="It", **bounds)
    return raised.value


async def test_an_answer_that_drips_ends_at_the_deadline_and_what_came_is_kept(later: Callable[[], None]) -> None:
    for start, kept in ((HEAD + b"\r\n" + chunk(NAMES_A_TASK), NAMES_A_TASK), (HEAD, b"")):
        async with speaking(functools.partial(drip, start=start, later=later)) as url:
            error = await lost(url, deadline=3600)
        assert error.partial.rstrip() == kept.rstrip()


async def test_an_order_whose_answer_drips_is_unknown_and_keeps_the_task_it_named(later: Callable[[], None]) -> None:
    start = HEAD + b"\r\n" + chunk(NAMES_A_TASK)
    async with (
        speaking(functools.partial(drip, start=start, later=later)) as url,
        open_kie(key="sim-key", api_url=url) as client,
    ):
        with pytest.raises(SubmissionUnknown) as unknown:
            await client.create_task(model="kling/v2-1-pro", prompt="p", image_url="https://x.example/a.png", seconds=5)
    assert unknown.value.task_id == "t1"
    assert "t1" in str(unknown.value)


def test_an_order_has_ended_before_temporal_gives_it_to_another_worker() -> None:
    heartbeat = KLING_SUBMIT["heartbeat_timeout"]
    assert heartbeat is not None
    assert ORDER_DEADLINE + _http.LAST_TURNS + 2 < heartbeat.total_seconds()


async def test_a_connection_that_does_not_come_about_sends_nothing() -> None:
    class Connecting(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            await asyncio.Event().wait()
            raise AssertionError

    async with httpx.AsyncClient(transport=Connecting()) as http:
        with pytest.raises(ProviderUnavailable, match="cannot be reached"):
            await _http.exchange(http, "POST", "http://x.example", service="It", deadline=0.05)


async def test_an_answer_without_end_is_read_to_its_limit() -> None:
    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(chunk(b" " * 65_536))
            await writer.drain()

    async with speaking(flood) as url:
        error = await lost(url, limit=300_000)
    assert (str(error), len(error.partial)) == ("It did not answer (more than 300000 bytes)", 300_000)


async def test_a_small_answer_does_not_unpack_to_a_large_one() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(256)) + packer.flush()

    async def explode(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"Content-Encoding: gzip\r\n\r\n" + chunk(bomb) + chunk(b""))
        await writer.drain()

    async with speaking(explode) as url:
        tracemalloc.start()
        try:
            error = await lost(url, limit=1 << 20)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(error.partial) == 1 << 20
    assert peak < 16 << 20


async def test_packing_that_was_not_asked_for_is_undone_or_refused() -> None:
    def answering(packing: bytes, body: bytes) -> Speaker:
        async def answer(writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"Content-Encoding: " + packing + b"\r\n\r\n" + chunk(body) + chunk(b""))
            await writer.drain()

        return answer

    text = json.dumps({"a": 1}).encode()
    for packing, body in ((b"gzip", gzip.compress(text)), (b"deflate", zlib.compress(text)), (b"identity", text)):
        async with speaking(answering(packing, body)) as url, httpx.AsyncClient() as http:
            answer = await _http.exchange(http, "GET", url, service="It")
        assert _http.json_object(answer) == {"a": 1}, packing
    for packing, body in ((b"br", b"x"), (b"gzip", gzip.compress(text)[:-6]), (b"gzip", b"no"), (b"\xff", b"x")):
        async with speaking(answering(packing, body)) as url:
            await lost(url)


async def test_an_answer_that_came_while_the_process_stood_still_is_read(later: Callable[[], None]) -> None:
    """Its clock has jumped over the deadline; the answer, a receipt say, lies in the socket."""
    heard, written = asyncio.Event(), threading.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        main.call_soon_threadsafe(heard.set)
        await asyncio.to_thread(go.wait)
        writer.write(HEAD + b"\r\n" + chunk(b"receipt") + chunk(b""))
        await writer.drain()
        written.set()

    main, go = asyncio.get_running_loop(), threading.Event()
    with _elsewhere(answer) as url:
        async with httpx.AsyncClient(timeout=None) as http:
            asking = asyncio.create_task(_http.exchange(http, "GET", url, service="It", deadline=3600))
            await heard.wait()
            go.set()
            written.wait()  # this loop stands still
            later()
            assert (await asking).content == b"receipt"


class _elsewhere:
    """The same server on a loop of its own thread."""

    def __init__(self, speak: Speaker) -> None:
        self._speak, self._ready, self._url = speak, threading.Event(), ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> str:
        self._thread.start()
        self._ready.wait()
        return self._url

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._done = asyncio.Event()
        async with speaking(self._speak) as self._url:
            self._ready.set()
            await self._done.wait()


async def test_no_client_asks_for_packed_answers() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["accept-encoding"])
        return httpx.Response(503)

    async with httpx.AsyncClient(base_url="http://x.example", transport=httpx.MockTransport(answer)) as http:
        kie = KieClient(http, http, http)
        asked: list[tuple[Awaitable[object], type[Exception]]] = [
            (kie.credit(), ProviderUnavailable),
            (kie.create_task(model="kling/v2-1-pro", prompt="", image_url="", seconds=5), SubmissionUnknown),
            (kie.host(b"", name="a", mime="image/png"), ProviderUnavailable),
            (ComfyClient(http).queue(), ServerGone),
            (CatboxClient(http).host(b"", name="a", mime="image/png"), ProviderUnavailable),
            (NotionClient(http, property_name="S", kind="status").set_status("p", "s"), ProviderUnavailable),
        ]
        for asking, error in asked:
            with pytest.raises(error):
                await asking
    assert seen == ["identity"] * len(asked)


async def test_a_list_of_nodes_may_be_larger_than_other_answers() -> None:
    large = json.dumps({"Node": {"input": {}, "padding": "x" * (5 << 20)}}).encode()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b'{"system":{}}' if request.url.path == "/system_stats" else large)

    async with httpx.AsyncClient(base_url="http://x.example", transport=httpx.MockTransport(answer)) as http:
        client = ComfyClient(http)
        assert list(await client.object_info()) == ["Node"]
        with pytest.raises(ServerGone, match="more than"):
            await client.queue()
