"""A take on a ComfyUI server: found where it is, sent where it is not, brought to a verified file."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from activities._comfy_check import ensure_taken
from activities._comfy_delivery import Delivery
from activities._comfy_identity import prefix_of
from activities._comfy_news import RenderNews
from activities._comfy_prompt import Prompt
from activities._comfy_rules import Made, RenderRules
from activities._comfy_servers import ComfyServer
from activities._comfy_wait import LONGEST_PAUSE, Wait
from activities._comfy_watch import Previews
from comfy_workflows.graph import BoundGraph, GraphTemplate
from studio.contracts.progress import MOST_NOTE
from studio.contracts.rendering import GraphToRender
from studio.errors import (
    BadClip,
    BadStill,
    ComfyError,
    RenderInterrupted,
    RenderStuck,
    ServerBusy,
    TaskLost,
)
from studio.providers.comfyui_answers import ComfyJob

_log = structlog.get_logger()

MOST_LOSSES = 3
"""How often servers may lose a render: a graph that brings them down would do so for ever."""
FORMS = ("length", "size", "codec", "turned", "interlaced", "hdr")
"""Kinds of faults that come from the graph itself, whatever its noise."""
LONGEST_FAREWELL = 600.0
"""Seconds a server is given to stop: a node that encodes a video hears nothing until it has finished."""


class Render:
    """Makes a take on one server."""

    def __init__(
        self, server: ComfyServer, order: GraphToRender, news: RenderNews, rules: RenderRules, previews: Previews | None
    ) -> None:
        self.server = server
        self._comfy = server.client
        self._order = order
        self._news = news
        self._rules = rules
        self._previews = previews
        self._prompt: Prompt | None = None
        self._stopping = False

    async def make(self, template: GraphTemplate, images: Sequence[str], folder: Path) -> Made:
        """Find the take or have it made. Attempts that ended badly or got lost before we came are stepped over: what
        the worker before us told last may be one behind what it did.

        Raises:
            GraphRefused, ExecutionFailed, RenderInterrupted, RenderStuck, ServerGone, ServerBusy: as the server says.
            BadClip, BadStill: it made something else than was ordered.
            TaskLost: servers lost the render again and again.
        """
        delivery = Delivery(self.server, self._order, self._news, self._rules, folder)
        for attempt in itertools.count(self._news.state.attempt):
            if attempt != self._news.state.attempt:
                self._news.tell(attempt=attempt, sent=False, stage="preparing")
            bound = template.bind(self._order.parameters, images=images, prefix=prefix_of(self._order.take, attempt))
            if (made := await self._attempt(attempt, bound, delivery)) is not None:
                return made
        raise AssertionError

    async def call_off(self, making: "asyncio.Task[Any]") -> None:
        """Have the server stop; a render in its last step is finished all the same, and is good.

        The request is repeated until it has had its effect: the prompt may be on its way to the server. A server
        that hears nothing for ten minutes is left alone.
        """
        self._stopping = True
        begun, where = self._news.state.stage in ("rendering", "stalled"), self._news.state.node
        self._news.tell(stage="cancelling")
        deadline = asyncio.get_running_loop().time() + LONGEST_FAREWELL
        while not making.done() and asyncio.get_running_loop().time() < deadline:
            if self._prompt is not None:
                self._prompt.called_off = True
                with suppress(ComfyError):
                    await self._comfy.cancel(self._prompt.id)
            await asyncio.wait([making], timeout=LONGEST_PAUSE)
        if not making.done():
            _log.warning("render.not_stopped", server=self.server.name, node=self._news.state.node)
            making.cancel()
            await asyncio.wait([making])
            self._news.farewell = f"the server did not stop within {LONGEST_FAREWELL / 60:.0f} minutes"
        elif making.exception() is None:
            self._news.farewell = "it was finished all the same, and is kept as a take"
        elif begun:
            self._news.farewell = f"the render was interrupted on the server{f' at {where}' if where else ''}"
        else:
            self._news.farewell = "it had not begun on the server"

    async def _attempt(self, attempt: int, bound: BoundGraph, delivery: Delivery) -> Made | None:
        """None: it brought nothing, and the next one may."""
        prompt = self._prompt = Prompt(self.server, self._order.take, attempt, bound)
        prompt.called_off = self._stopping
        prompt.away = lambda reason: self._news.tell(stage="stalled", trouble=reason[:MOST_NOTE])
        job = await prompt.look()
        if job is not None and job.finished:
            self._news.tell(sent=False)
            return await delivery.ended_before(job, attempt, bound)
        if job is None:
            if made := await delivery.left_behind(attempt, bound):
                return made
            if self._news.state.sent:
                self._lost()
                return None
            prompt.bound = await ensure_taken(self._comfy, bound)
            await prompt.send(previews=self._previews is not None)
        job = await self._waited_for(prompt)
        if job is None:
            made = await delivery.left_behind(attempt, bound)
            if made is None:
                self._lost()
            return made
        if job.state != "success":
            raise job.error()
        self.server.done()
        try:
            return await delivery.of_job(job, attempt, bound)
        except (BadClip, BadStill) as bad:
            raise type(bad)(f"{bad} - {_what_helps(bad, self._order)}") from None

    async def _waited_for(self, prompt: Prompt) -> ComfyJob | None:
        """Its end; None: the server has lost it."""
        self._news.tell(sent=True)
        try:
            job = await Wait(prompt, self._news, self._rules, self._previews).until_done()
        except (RenderInterrupted, ServerBusy):
            self._news.tell(sent=False)
            raise
        except RenderStuck:  # nobody waits for this one any more
            self._news.tell(sent=False, attempt=self._news.state.attempt + 1)
            raise
        self._news.tell(sent=job is None)
        return job

    def _lost(self) -> None:
        """The server does not know what it had.

        Raises:
            TaskLost: that has happened too often.
        """
        losses = self._news.state.losses + 1
        self._news.tell(losses=losses, sent=False, stage="stalled", trouble="the server has lost it")
        if losses >= MOST_LOSSES:
            raise TaskLost(
                f"ComfyUI servers lost the render {losses} times: they were restarted, or it brings them down"
            )


def _what_helps(bad: BadClip | BadStill, order: GraphToRender) -> str:
    """Other noise makes another picture, but never another length, size or format."""
    if not (isinstance(bad, BadClip) and bad.fault.startswith(FORMS)):
        return "The same would come out again: order a further take"
    whose = f"the graph of {order.graph}, then `comfy add` it again" if order.own else "the graph"
    return f"A further take would be the same in this: correct {whose}"
