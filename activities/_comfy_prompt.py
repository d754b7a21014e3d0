"""One prompt on one ComfyUI server: looked for, sent, waited for, called off."""

import asyncio
import uuid
from contextlib import suppress
from datetime import timedelta

import structlog
from temporalio import activity

from activities._comfy_news import RenderNews
from activities._comfy_watch import Previews, listen
from comfy_workflows.graph import BoundGraph
from studio.errors import RenderInterrupted, ServerBusy, ServerGone
from studio.providers.comfyui import ComfyClient
from studio.providers.comfyui_answers import ComfyJob
from studio.providers.comfyui_socket import new_client_id

_log = structlog.get_logger()

_JOBS = uuid.UUID("6f1c1d6e-5d0a-5f4e-9d55-0a2f6b1f3c77")
"""Namespace of the ids of our prompts."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two looks: short renders are found at once, long ones cost two small requests a second."""
LONGEST_ABSENCE = 20.0
"""Seconds a server may be away in the middle of a render: a restart takes 6 to 17."""
MOST_SENDINGS = 3
"""How often a prompt is handed over that never arrives, before the render goes elsewhere."""
SETTLING = 1.0
"""Seconds after which a request that got no answer has reached the server, or never will."""


def prompt_id_of(take: str, attempt: int) -> str:
    """The id of the prompt: the same one whoever asks, so that nobody sends it twice."""
    return str(uuid.uuid5(_JOBS, f"{take}/{attempt}"))


def prefix_of(take: str, attempt: int) -> str:
    """How the file's name begins on the server: unique for the attempt, so that the file can be found by it."""
    return f"longtake/{take}/{attempt}"


def provenance_of(take: str, attempt: int) -> dict[str, str | int]:
    """What every file says of its making."""
    return {"job": activity.info().workflow_id or "", "take": take, "attempt": attempt}


class Prompt:
    """One attempt at a take, on one server."""

    def __init__(self, comfy: ComfyClient, take: str, attempt: int, bound: BoundGraph, news: RenderNews) -> None:
        self.id = prompt_id_of(take, attempt)
        self._comfy = comfy
        self._bound = bound
        self._news = news
        self._provenance = provenance_of(take, attempt)
        self._was_away = False

    async def look(self) -> ComfyJob | None:
        """What the server knows of it. A server that is away for a moment is waited for.

        Raises:
            ServerGone: it is away for longer.
        """
        clock = asyncio.get_running_loop().time
        deadline = clock() + LONGEST_ABSENCE
        while True:
            try:
                return await self._comfy.look_up(self.id)
            except ServerGone:
                self._was_away = True
                if clock() > deadline:
                    raise
                await asyncio.sleep(LONGEST_PAUSE)

    async def send(self, *, previews: bool) -> None:
        """Hand the prompt over, once: when the answer is lost, the server is asked whether it has it.

        Raises:
            GraphRefused: the server does not take the graph.
            ServerGone: it is away.
        """
        for sent in range(1, MOST_SENDINGS + 1):
            try:
                await self._comfy.submit(
                    self._bound.graph,
                    prompt_id=self.id,
                    client_id=new_client_id(),
                    extra={"extra_pnginfo": {"longtake": self._provenance}},
                    previews=previews,
                )
            except ServerGone as gone:
                _log.warning("render.answer_lost", prompt_id=self.id, error=str(gone))
                await asyncio.sleep(SETTLING)
                if await self.look() is None:
                    if sent == MOST_SENDINGS:
                        raise
                    continue
            _log.info("render.submitted", prompt_id=self.id, render_attempt=self._provenance["attempt"])
            return

    async def wait(self, longest: timedelta, previews: Previews | None) -> ComfyJob | None:
        """Wait until the server is done with it; None when the server has lost it.

        Raises:
            ServerBusy: others' prompts came before it for too long.
            RenderInterrupted: somebody removed it from the queue.
            ServerGone: the server is away.
        """
        clock = asyncio.get_running_loop().time
        began, pause, was_pending = clock(), FIRST_PAUSE, False
        look = asyncio.Event()
        listening: asyncio.Task[None] | None = None
        try:
            while True:
                job = await self.look()
                if job is None and was_pending and not self._was_away:
                    raise RenderInterrupted("Somebody removed the render from the ComfyUI server's queue")
                if job is None or job.finished:
                    return job
                if listening is None and job.client_id:
                    hearing = listen(self._comfy, self.id, job.client_id, self._bound, self._news, previews, look)
                    listening = asyncio.create_task(hearing)
                was_pending = job.state == "pending"
                if was_pending:
                    await self._in_line(timedelta(seconds=clock() - began), longest)
                else:
                    self._news.tell(stage="rendering", ahead=0)
                await _until(look, pause)
                pause = min(pause * 1.3, LONGEST_PAUSE)
        finally:
            if listening is not None:
                listening.cancel()
                await asyncio.wait([listening])

    async def _in_line(self, waited: timedelta, longest: timedelta) -> None:
        with suppress(ServerGone):  # the next look waits for it
            self._news.tell(stage="waiting", ahead=(await self._comfy.queue()).ahead_of(self.id))
        if waited > longest:
            await self._comfy.cancel(self.id)
            raise ServerBusy.waited(waited, ahead=self._news.state.ahead or 0)


async def _until(look: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(look.wait(), seconds)
    look.clear()
