"""Which server a render is on: this worker's, or the one that has it already."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from activities._comfy_prompt import prompt_id_of
from studio.contracts.rendering import RenderState
from studio.errors import ComfyError
from studio.providers.comfyui import ComfyClient

LONGEST_LOOK = 5.0
"""Seconds for asking another worker's server whether it has a prompt."""

OpenServer = Callable[[str], AbstractAsyncContextManager[ComfyClient]]


class ComfyServers:
    """A worker's own server, and the way to others'."""

    def __init__(self, own: ComfyClient, address: str, open_server: OpenServer) -> None:
        self._own = own
        self._address = address
        self._open = open_server

    @asynccontextmanager
    async def having(self, take: str, state: RenderState) -> AsyncIterator[tuple[ComfyClient, str]]:
        """The server that the attempt before used, if it still has the prompt: it is not sent twice. Else our own."""
        if not state.server or state.server == self._address:
            yield self._own, self._address
            return
        async with self._open(state.server) as other:
            if await _has(other, prompt_id_of(take, state.attempt)):
                yield other, state.server
                return
        yield self._own, self._address


async def _has(comfy: ComfyClient, prompt_id: str) -> bool:
    try:
        async with asyncio.timeout(LONGEST_LOOK):
            job = await comfy.look_up(prompt_id)
    except (ComfyError, TimeoutError):
        return False
    return job is not None and (not job.finished or job.state == "success")
