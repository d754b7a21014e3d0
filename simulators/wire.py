"""How an answer goes over the wire, and all the ways in which it does not."""

import asyncio
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from aiohttp import web

from simulators.faults import NO_FAULT, Fault, Kind

PIECES = 10
"""In how many pieces a slow body comes."""

CLOUDFLARE = """<!DOCTYPE html>
<html lang="en-US"><head><title>{host} | {status}: Bad gateway</title></head>
<body><div id="cf-wrapper"><h1>Bad gateway <span>Error code {status}</span></h1>
<p>The web server reported a bad gateway error.</p><p>Cloudflare Ray ID: <strong>8f2a1c0dee5b7a31</strong></p>
</div></body></html>
"""


@dataclass(frozen=True)
class Answer:
    """What a service says. `code` is set when it refuses: that is what the ledger notes."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    code: int | str | None = None


def json_answer(
    value: Any, status: int = 200, code: int | str | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(body, status, headers=headers or {}, code=code)


def text_answer(text: str, status: int = 200, code: int | str | None = None) -> Answer:
    return Answer(text.encode(), status, "text/plain; charset=utf-8", code=code)


class PlainWords:
    """How a file host words a refusal: a status and a line of text."""

    def error(self, route: str, status: int, code: int | str | None, msg: str | None) -> Answer:
        return text_answer(msg or "error", status, code=code or status)

    def coded(self, route: str, code: int | str, msg: str | None) -> Answer:
        return text_answer(msg or "error", 200, code=code)


def error_page(host: str, status: int) -> Answer:
    page = CLOUDFLARE.format(host=host, status=status)
    return Answer(page.encode(), status, "text/html; charset=UTF-8", {"Server": "cloudflare"}, code="html")


HANG_UP = Answer(code="hung_up")
"""No answer at all: the connection is closed in silence."""


async def deliver(request: web.Request, answer: Answer, fault: Fault = NO_FAULT) -> web.StreamResponse:
    """Send an answer, spoiled the way the fault says."""
    if answer is HANG_UP:
        return hang_up(request)
    match fault.kind:
        case Kind.SLOW_HEADERS:
            await asyncio.sleep(fault.seconds)
        case Kind.ZERO_BYTES:
            answer = replace(answer, body=b"")
        case Kind.INVALID_JSON:
            answer = replace(answer, body=answer.body[: len(answer.body) // 2])
        case Kind.SLOW_BODY:
            return await _drip(request, answer, fault.seconds)
        case Kind.TRUNCATED_BODY:
            return await _cut(request, answer, answer.body[: len(answer.body) // 2], len(answer.body))
        case Kind.WRONG_LENGTH:
            declared = max(0, len(answer.body) + fault.length)
            return await _cut(request, answer, answer.body[:declared], declared)
    return web.Response(body=answer.body, status=answer.status, headers=_headers(answer))


def hang_up(request: web.Request) -> web.StreamResponse:
    """Close the connection in good order, without a word."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def reset(request: web.Request) -> web.StreamResponse:
    """Drop the connection with a TCP reset."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            # Without lingering, close() is a reset instead of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()


async def hang(request: web.Request) -> web.StreamResponse:
    """Say nothing until the client gives up: a transport has no event for that, so it is looked at."""
    while (transport := request.transport) is not None and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return web.Response()


async def _drip(request: web.Request, answer: Answer, seconds: float) -> web.StreamResponse:
    response = await _begin(request, answer, len(answer.body))
    marks = [len(answer.body) * piece // PIECES for piece in range(PIECES + 1)]
    try:
        for start, end in pairwise(marks):
            await asyncio.sleep(seconds / PIECES)
            await response.write(answer.body[start:end])
    except ConnectionError:
        pass  # the client had enough
    return response


async def _cut(request: web.Request, answer: Answer, body: bytes, declared: int) -> web.StreamResponse:
    response = await _begin(request, answer, declared)
    await response.write(body)
    response.force_close()
    if len(body) < declared and request.transport is not None:
        request.transport.close()
    return response


async def _begin(request: web.Request, answer: Answer, length: int) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=_headers(answer))
    response.content_length = length
    await response.prepare(request)
    return response


def _headers(answer: Answer) -> dict[str, str]:
    return {"Content-Type": answer.content_type, **answer.headers}
