"""Uvicorn as a part of our process, with limits that hold against strangers."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from socket import socket
from typing import Any

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.damping import BETWEEN_LINES, Damped
from gateway.deadlines import BodyDeadline

GRACE_SECONDS = 5
"""How long requests that are under way may take when the server ends."""
HEAD = timedelta(seconds=10)
"""How long a request's head may take, from the connection or from its first byte on."""
MOST_REQUESTS = 100
"""Requests at once; more are answered 503."""
MOST_CONNECTIONS = 400
"""Open connections: well below the usual limit of 1,024 files. More are closed at once."""
BACKLOG = 128
"""Connections that wait to be accepted."""
MOST_HEAD = 16 * 1024
"""Bytes of a request's head."""


class _Repeats(logging.Filter):
    """Lets the same line of uvicorn's pass once in a while: strangers decide how often it is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._written: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        key = str(record.msg)
        if record.created - self._written.get(key, 0) < BETWEEN_LINES.total_seconds():
            return False
        self._written[key] = record.created
        return True


_REPEATS = _Repeats()


class Server(uvicorn.Server):
    """A server that tells where it listens and ends when its owner says so.

    It leaves the process's signals alone; uvicorn would take them, and raise them once more when it has ended.
    """

    def __init__(
        self,
        app: FastAPI,
        *,
        host: str,
        port: int,
        announce: Callable[[str], None],
        head: timedelta = HEAD,
        body: timedelta = HEAD,
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        config = uvicorn.Config(
            BodyDeadline(app, body),
            host=host,
            port=port,
            http=_protocol(head, most_connections),
            ws="none",
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="on",
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            limit_concurrency=MOST_REQUESTS,
            h11_max_incomplete_event_size=MOST_HEAD,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._announce = announce
        self._accepting = Damped("gateway.accept_failed")

    def stop(self) -> None:
        """End, after the requests that are under way."""
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen, then tell the address."""
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        logging.getLogger("uvicorn.error").addFilter(_REPEATS)
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """End, and leave the event loop as it was."""
        asyncio.get_running_loop().set_exception_handler(None)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the owner's."""
        yield

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop tells a failing `accept` up to `BACKLOG` times a second, each with a traceback."""
        if str(context.get("message", "")).startswith("socket.accept()"):
            self._accepting.warning(reason=str(context.get("exception")))
        else:
            loop.default_exception_handler(context)


def _protocol(head: timedelta, most_connections: int) -> type[H11Protocol]:
    class Protocol(_LimitedProtocol):
        head_seconds = head.total_seconds()
        most = most_connections

    return Protocol


class _LimitedProtocol(H11Protocol):
    """Closes connections that do not get a head finished, and those that are too many."""

    head_seconds: float
    most: int
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()
        else:
            self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._head_is_here()
        elif self._deadline is None:  # the next request on this connection has begun
            self._wait_for_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()  # answered before the body was here: what still drips in is not waited for

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_is_here()
        super().connection_lost(exc)

    def _wait_for_head(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._too_slow)

    def _head_is_here(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            with contextlib.suppress(h11.LocalProtocolError):
                self._answer_timeout()
            self.transport.close()

    def _answer_timeout(self) -> None:
        head = h11.Response(status_code=408, headers=[(b"connection", b"close"), (b"content-length", b"0")])
        self.transport.write((self.conn.send(head) or b"") + (self.conn.send(h11.EndOfMessage()) or b""))
