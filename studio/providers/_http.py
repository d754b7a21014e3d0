"""HTTP as providers speak it, and what a failed exchange means.

The difference that matters is whether the other side can have acted. A connection that never came about is
harmless. A request whose body was on its way when the line broke may have been carried out.
"""

import asyncio
import codecs
import email.utils
import functools
import json
import math
import ssl
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from studio.errors import ProviderUnavailable
from studio.providers import _foreign

_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

HIDDEN = "[hidden]"

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that are read at most, before and after unpacking."""
DEADLINE = 30.0
"""Seconds for an exchange as a whole, where its caller gives no other number: connection, headers and body."""
LAST_TURNS = 1.0
"""Seconds in which an answer that lay in the socket while this process stood still is read after its deadline."""
UNPACKED = {"Accept-Encoding": "identity"}
"""Header of every request: a small answer never unpacks to a large one."""


@functools.cache
def tls() -> ssl.SSLContext:
    """TLS as all clients of this process speak it. Reading the certificates takes 25 ms, so they are read once."""
    return httpx.create_ssl_context()


class AnswerLost(Exception):
    """The request was on its way and no whole answer came back. Each client decides what that means.

    `partial`: the bytes of the answer that did come.
    """

    def __init__(self, message: str, partial: bytes = b"") -> None:
        super().__init__(message)
        self.partial = partial


@dataclass
class _Exchange:
    """How far an exchange has come."""

    connecting: bool = False
    sent: bool = False
    received: bytearray = field(default_factory=bytearray)

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Called by httpcore before and after its steps: https://www.encode.io/httpcore/extensions/#trace"""
        self.connecting = True
        self.sent = self.sent or "send_request_headers.started" in event

    def failed(self, service: str, why: str) -> ProviderUnavailable | AnswerLost:
        if self.connecting and not self.sent:
            return ProviderUnavailable(f"{service} cannot be reached ({why})")
        return AnswerLost(f"{service} did not answer ({why})", bytes(self.received))


async def exchange(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    service: str,
    deadline: float = DEADLINE,
    limit: int = LARGEST_ANSWER,
    **kwargs: Any,
) -> httpx.Response:
    """One request, one whole answer of any status: at most `limit` bytes, within `deadline` seconds in all.

    Raises:
        ProviderUnavailable: nothing was sent; trying again is harmless.
        AnswerLost: something was sent, and no whole answer came back.
    """
    state = _Exchange()
    headers = UNPACKED | dict(kwargs.pop("headers", {}))
    asking = asyncio.create_task(
        _whole(state, http, method, url, limit, headers=headers, extensions={"trace": state.trace}, **kwargs)
    )
    asking.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen, even after a cancellation
    try:
        await asyncio.wait([asking], timeout=deadline)
        if not asking.done():
            await asyncio.wait([asking], timeout=LAST_TURNS)
    finally:
        if not asking.done():
            asking.cancel()
            await asyncio.wait([asking])
    if asking.cancelled():
        raise state.failed(service, f"within {deadline:g} s")
    try:
        return asking.result()
    except _NEVER_SENT as error:
        raise ProviderUnavailable(f"{service} cannot be reached ({type(error).__name__})") from None
    except Exception as error:  # httpx lets some of the errors of its parts through
        why = str(error) if isinstance(error, _Unfit) else type(error).__name__
        raise state.failed(service, why) from None


class _Unfit(Exception):
    """An answer that is not read to its end."""


async def _whole(
    state: _Exchange, http: httpx.AsyncClient, method: str, url: str, limit: int, **kwargs: Any
) -> httpx.Response:
    async with http.stream(method, url, **kwargs) as answer:
        if answer.is_stream_consumed:
            state.received += answer.content
        else:
            await _received(state.received, answer, limit)
        if len(state.received) > limit:
            del state.received[limit:]
            raise _Unfit(f"more than {limit} bytes")
        kept = [(k, v) for k, v in answer.headers.multi_items() if k not in ("content-encoding", "transfer-encoding")]
        return httpx.Response(answer.status_code, headers=kept, content=bytes(state.received), request=answer.request)


async def _received(body: bytearray, answer: httpx.Response, limit: int) -> None:
    """Read the body, unpacked, until it is whole or longer than `limit`; each piece as it comes."""
    packing = answer.headers.get("content-encoding", "identity").strip().lower()
    if packing in ("identity", ""):
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > limit:
                return
    elif packing in ("gzip", "x-gzip", "deflate"):
        unpacker = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # either header
        async for chunk in answer.aiter_raw():
            body += unpacker.decompress(chunk, limit + 1 - len(body))
            if len(body) > limit:
                return
        if body and not unpacker.eof:
            raise _Unfit("it is cut off")
    else:
        raise _Unfit(f"packed as {_foreign.quote(packing, most=40)}")


def text_of(response: httpx.Response) -> str:
    """The answer's text without our own credentials: a service may repeat a request's headers in its complaints."""
    credentials = response.request.headers.get("authorization", "").rpartition(" ")[2]
    text = decoded(response.content, response.headers.get("content-type", ""))
    return text.replace(credentials, HIDDEN) if credentials else text


def decoded(content: bytes, content_type: str = "") -> str:
    """Bytes as text: UTF-8, -16 or -32 as JSON may come, else by the header's charset; never an error."""
    try:
        return content.decode(json.detect_encoding(content))
    except UnicodeError:
        pass
    charset = content_type.lower().partition("charset=")[2].split(";")[0].strip(" \"'")
    try:
        codecs.lookup(charset)
        return content.decode(charset, errors="replace")
    except (LookupError, ValueError):
        return content.decode(errors="replace")


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """The answer's JSON object; None when it is something else, or cut off."""
    body = _foreign.json_of(text_of(response))
    return body if isinstance(body, dict) else None


def retry_after(response: httpx.Response, *, longest: timedelta = timedelta(minutes=5)) -> timedelta | None:
    """The `Retry-After` header as a duration: seconds or an HTTP date (RFC 9110, section 10.2.3)."""
    text = response.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return timedelta(seconds=min(max(seconds, 0), longest.total_seconds()))
