"""Which server a render is on: this worker's, or the one that has it already; and which others there are."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlsplit

import structlog

from activities._comfy_identity import prompt_id_of
from activities._comfy_slot import GpuSlot
from studio.contracts.rendering import GpuServer, RenderState
from studio.errors import StudioError
from studio.providers.comfyui import ComfyClient
from studio.store.gpu_servers import GpuServerStore

LONGEST_LOOK = 30.0
"""Seconds for asking another worker's server whether it has a prompt: one that swaps or loads a model is silent for a
while, and may have it all the same."""
BETWEEN_WORDS = 1.0, 20.0
"""Seconds, at least and at most, between two words of a worker about its server."""
LOOPBACK = ("127.0.0.1", "localhost", "::1", "host.docker.internal")
"""Hosts that are another one for everybody."""

_log = structlog.get_logger()

OpenServer = Callable[[str], AbstractAsyncContextManager[ComfyClient]]


@dataclass(frozen=True)
class ComfyServer:
    """The server that a render is on."""

    client: ComfyClient
    name: str
    done: Callable[[], None]
    """Say that it is done with the render: the worker may take the next one."""
    others: Callable[[Collection[str]], Awaitable[list[GpuServer]]]
    """Other servers, but for some."""


class ComfyServers:
    """A worker's own server, and the way to others'."""

    def __init__(
        self, own: ComfyClient, slot: GpuSlot, store: GpuServerStore, open_server: OpenServer, *, url: str
    ) -> None:
        self.name = name_of(url)
        self._own = own
        self._slot = slot
        self._store = store
        self._open = open_server

    @asynccontextmanager
    async def having(self, take: str, state: RenderState) -> AsyncIterator[ComfyServer]:
        """The server that the attempt before used, if it still has the prompt: it is not sent twice. Else our own."""
        done = partial(self._slot.give_back, self._slot.turn)
        if state.server not in ("", self.name) and (url := _url_of(state.server)):
            async with self._open(url) as other:
                if await _has(other, take, state):
                    done()  # our own has nothing to do with it
                    yield ComfyServer(other, state.server, done, self.others)
                    return
        yield ComfyServer(self._own, self.name, done, self.others)

    async def others(self, but: Collection[str] = ()) -> list[GpuServer]:
        """Other servers that have a worker and answer it, but for some.

        Raises:
            DatabaseUnavailable: nobody knows.
        """
        there = await self._store.there()
        return [one for one in there if one.name != self.name and not one.away and one.name not in but]

    def leave_it_to_others(self, seconds: float) -> None:
        """Take no render for a moment: another server's worker takes what was given up here."""
        self._slot.rest(seconds)

    async def keep_telling(self) -> None:
        """Tell everybody, as long as this worker lives, that its server has a worker and how it is."""
        least, most = BETWEEN_WORDS
        worker = f"{socket.gethostname()}/{os.getpid()}"
        while True:
            try:
                away = await self._slot.look()
                busy = self._slot.busy or (not away and not (await self._own.queue()).idle)
                await self._store.tell(self.name, worker, busy=busy, away=self._slot.away)
            except Exception as error:  # whatever it is: who stops telling is taken for dead
                _log.warning("comfyui.not_listed", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(least)
            await self._slot.changed(within=most)


def name_of(url: str) -> str:
    """How a server is called: by its address, and by its host too where the address means another one elsewhere."""
    return f"{url}{_ON}{socket.gethostname()}" if urlsplit(url).hostname in LOOPBACK else url


_ON = " on "


def _url_of(name: str) -> str | None:
    """How to reach the server of this name from here; None: not at all."""
    url, _, host = name.partition(_ON)
    return url if host in ("", socket.gethostname()) else None


async def _has(comfy: ComfyClient, take: str, state: RenderState) -> bool:
    """Is one of the last two attempts there? What the attempt before told last may be older than what it did."""
    try:
        async with asyncio.timeout(LONGEST_LOOK):
            for attempt in (state.attempt, state.attempt + 1):
                job = await comfy.look_up(prompt_id_of(take, attempt))
                if job is not None and (not job.finished or job.state == "success"):
                    return True
    except (StudioError, TimeoutError):
        pass
    return False
