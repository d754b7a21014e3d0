"""Uvicorn as a part of our process."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from socket import socket

import uvicorn
from fastapi import FastAPI

GRACE_SECONDS = 5
"""How long requests that are under way may take when the server ends."""


class Server(uvicorn.Server):
    """A server that says where it listens and ends when its owner says so.

    It leaves the process's signals alone; uvicorn would take them, and raise them once more when it has ended.
    """

    def __init__(self, app: FastAPI, *, host: str, port: int, announce: Callable[[str], None]) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="on",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        super().__init__(config)
        self._announce = announce

    def stop(self) -> None:
        """End, after the requests that are under way."""
        self.should_exit = True

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen, then tell the address."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        self._announce(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the owner's."""
        yield
