"""Bodies that are too large: refused before they are read."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from gateway.bodies import BODY_LIMIT
from tests.gateway.conftest import Gateway
from tests.gateway.videos import address

Head = tuple[str, ...]


async def exchange(gateway: Gateway, headers: Head, body: AsyncIterator[bytes]) -> tuple[int, bytes, int]:
    """One request by hand: status, answer, and bytes sent until the gateway hung up."""
    place = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    lines = (f"POST {address()} HTTP/1.1", "Host: gateway", *headers, "", "")
    writer.write("\r\n".join(lines).encode())
    sent = 0
    answering = asyncio.create_task(received(reader))
    async for part in body:
        if answering.done():
            break
        try:
            writer.write(part)
            await writer.drain()
        except ConnectionError:
            break
        sent += len(part)
    answer = await answering
    writer.close()
    return int(answer.split(b" ", 2)[1]), answer, sent


async def received(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the end, or until the connection is reset because of what was sent and not read."""
    parts: list[bytes] = []
    with suppress(ConnectionResetError):
        while part := await reader.read(65_536):
            parts.append(part)
    return b"".join(parts)


async def nothing() -> AsyncIterator[bytes]:
    for part in list[bytes]():
        yield part


async def slowly_for_ever() -> AsyncIterator[bytes]:
    while True:
        yield b"4000\r\n" + b" " * 0x4000 + b"\r\n"
        await asyncio.sleep(0.005)


async def test_a_body_that_says_it_is_too_large_is_refused_unread(gateway: Gateway) -> None:
    status, answer, _ = await exchange(gateway, (f"Content-Length: {BODY_LIMIT + 1}",), nothing())
    assert status == 413
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer.lower()


async def test_a_body_without_an_end_is_refused_at_the_limit(gateway: Gateway) -> None:
    status, answer, sent = await exchange(gateway, ("Transfer-Encoding: chunked",), slowly_for_ever())
    assert status == 413
    assert b"application/problem+json" in answer
    assert BODY_LIMIT < sent < 4 * BODY_LIMIT


@pytest.mark.parametrize(("size", "status"), [(BODY_LIMIT, 200), (BODY_LIMIT + 1, 413)])
async def test_the_limit_is_exact(gateway: Gateway, size: int, status: int) -> None:
    said = b'{"taskId": "task_1"}'
    answer = await gateway.http.post(address(), content=said + b" " * (size - len(said)))
    assert answer.status_code == status
