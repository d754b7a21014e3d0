"""One prompt on one ComfyUI server: looked for, and sent."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import structlog

from activities._comfy_identity import prompt_id_of, provenance_of
from activities._comfy_servers import ComfyServer
from comfy_workflows.graph import BoundGraph
from studio.errors import Forbidden, RenderInterrupted, RequestRefused, ServerGone
from studio.providers.comfyui_answers import ComfyJob
from studio.providers.comfyui_socket import new_client_id

_log = structlog.get_logger()

BETWEEN_LOOKS = 0.5
"""Seconds between two looks for a server that is away."""
LONGEST_ABSENCE = 20.0
"""Seconds a server may be away in the middle of a render: a restart takes 6 to 17."""
LEAST_LOOKS = 2
"""How often a server does not answer before it is away: a single silence may be as long as all of that."""
MOST_SENDINGS = 3
"""How often a prompt is handed over that never arrives, before the render goes elsewhere."""
SETTLING = 1.0
"""Seconds after which a request that got no answer has reached the server, or never will."""


class Prompt:
    """One attempt at a take, on one server."""

    def __init__(self, server: ComfyServer, take: str, attempt: int, bound: BoundGraph) -> None:
        self.id = prompt_id_of(take, attempt)
        self.server = server
        self.bound = bound
        self.called_off = False
        """It is not handed over again."""
        self.client_id: str | None = None
        """Who hears of it; empty: nobody, as far as anybody knows."""
        self.was_away = False
        """The server did not answer since it was last known to have the prompt."""
        self.away: Callable[[str], None] = lambda reason: None
        """Told, while the server does not answer, what it says instead."""
        self._comfy = server.client
        self._provenance = provenance_of(take, attempt)

    async def look(self) -> ComfyJob | None:
        """What the server knows of it. A server that is away for a moment is waited for.

        Raises:
            ServerGone: it is away for longer.
        """
        clock = asyncio.get_running_loop().time
        deadline, looks = clock() + LONGEST_ABSENCE, 0
        while True:
            try:
                job = await self._comfy.look_up(self.id)
            except (ServerGone, Forbidden, RequestRefused) as error:  # a proxy says anything while it is away
                self.was_away, looks = True, looks + 1
                self.away(str(error))
                if clock() > deadline and looks >= LEAST_LOOKS:
                    raise ServerGone(str(error)) from None
                await asyncio.sleep(BETWEEN_LOOKS)
            else:
                self.was_away &= job is None
                return job

    async def send(self, *, previews: bool) -> None:
        """Hand the prompt over, once: when the answer is lost, the server is asked whether it has it.

        Raises:
            GraphRefused: the server does not take the graph.
            ServerGone: it is away.
            RenderInterrupted: it was called off meanwhile.
        """
        self.client_id = new_client_id()
        for sent in range(1, MOST_SENDINGS + 1):
            if self.called_off:
                raise RenderInterrupted
            try:
                await self._comfy.submit(
                    self.bound.graph,
                    prompt_id=self.id,
                    client_id=self.client_id,
                    extra={"extra_pnginfo": {"longtake": self._provenance}},
                    previews=previews,
                )
            except ServerGone as gone:
                _log.warning("render.answer_lost", prompt_id=self.id, error=str(gone))
                if not await self._arrived():
                    if sent == MOST_SENDINGS:
                        raise
                    continue
            _log.info("render.submitted", prompt_id=self.id, render_attempt=self._provenance["attempt"])
            return

    async def hearer(self, job: ComfyJob) -> str:
        """The client id under which the server tells of it; empty when nobody knows. Not every version says it."""
        if self.client_id is None:
            with suppress(ServerGone):  # progress is a hint
                self.client_id = job.client_id or await self._comfy.client_of(self.id)
        self.client_id = self.client_id or ""
        return self.client_id

    async def _arrived(self) -> bool:
        """After an answer that was lost: has the server got the prompt? A request may still lie in its socket."""
        for _ in range(2):
            await asyncio.sleep(SETTLING)
            if await self.look() is not None:
                return True
        return False
