"""A take on a ComfyUI server: found where it is, sent where it is not, brought to a verified file."""

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from activities._comfy_failures import counted
from activities._comfy_file import SUFFIXES, verified, without_prompts
from activities._comfy_news import RenderNews
from activities._comfy_prompt import LONGEST_PAUSE, Prompt, prefix_of, provenance_of
from activities._comfy_rules import Made, RenderRules
from activities._comfy_watch import Previews
from comfy_workflows.graph import BoundGraph, GraphTemplate
from studio.contracts.rendering import GraphToRender
from studio.errors import (
    BadClip,
    BadStill,
    ComfyError,
    ExecutionFailed,
    OutputMissing,
    RenderInterrupted,
    StudioError,
    TaskLost,
)
from studio.providers.comfyui import ComfyClient
from studio.providers.comfyui_answers import ComfyOutput

_log = structlog.get_logger()

MOST_LOSSES = 3
"""How often a server may lose a render: a graph that brings the server down would do so for ever."""


class Render:
    """Makes a take on one server."""

    def __init__(
        self, comfy: ComfyClient, order: GraphToRender, news: RenderNews, rules: RenderRules, previews: Previews | None
    ) -> None:
        self._comfy = comfy
        self._order = order
        self._news = news
        self._rules = rules
        self._previews = previews
        self._prompt: Prompt | None = None
        self._sent = 0
        self._stopping = False

    async def make(self, template: GraphTemplate, images: Sequence[str], folder: Path) -> Made:
        """Find the take or have it made. Attempts that ended badly before we came are stepped over.

        Raises:
            GraphRefused, ExecutionFailed, RenderInterrupted, ServerGone, ServerBusy: as the server says.
            BadClip, BadStill: it made something else than was ordered.
            TaskLost: the server lost the render again and again.
        """
        for attempt in itertools.count(1):
            self._news.tell(attempt=attempt)
            bound = template.bind(self._order.parameters, images=images, prefix=prefix_of(self._order.take, attempt))
            try:
                made = await self._attempt(attempt, bound, folder)
            except StudioError as error:
                raise counted(error, self._news, self._rules.first_rest) from None
            if made is not None:
                return made
            if self._sent >= MOST_LOSSES:
                raise TaskLost(f"The ComfyUI server lost the render {self._sent} times: it may not survive this graph")
        raise AssertionError

    async def call_off(self, making: "asyncio.Task[Made]") -> Made | None:
        """Have the server stop; a render in its last step is finished all the same, and is good.

        The request is repeated until it has had its effect: the prompt may be on its way to the server.
        """
        self._stopping = True
        self._news.tell(stage="cancelling")
        while not making.done():
            if self._prompt is not None:
                with suppress(ComfyError):
                    await self._comfy.cancel(self._prompt.id)
            await asyncio.wait([making], timeout=LONGEST_PAUSE)
        if making.cancelled() or making.exception() is not None:
            return None
        return making.result()

    async def _attempt(self, attempt: int, bound: BoundGraph, folder: Path) -> Made | None:
        """None: it brought nothing, and the next one may."""
        prompt = self._prompt = Prompt(self._comfy, self._order.take, attempt, bound, self._news)
        job = await prompt.look()
        before = job is not None and job.finished
        if job is None:
            if made := await self._left_behind(attempt, bound, folder):
                return made
            if self._stopping:
                raise RenderInterrupted
            await prompt.send(previews=self._previews is not None)
            self._sent += 1
        if not before:
            job = await prompt.wait(self._rules.longest_wait, self._previews)
        if job is None:
            return await self._left_behind(attempt, bound, folder)
        try:
            if job.state != "success":
                raise job.error()
            output = job.output(bound.output_node)
            return await self._fetched(output, attempt, bound, folder, seconds=job.seconds or 0)
        except (ExecutionFailed, RenderInterrupted, OutputMissing, BadClip, BadStill):
            if before:
                return None
            raise

    async def _left_behind(self, attempt: int, bound: BoundGraph, folder: Path) -> Made | None:
        """A file under the attempt's name, from before the server was started anew. It may be half of one."""
        prefix = prefix_of(self._order.take, attempt)
        output = await self._comfy.find_output(prefix, SUFFIXES[bound.kind])
        if output is None:
            return None
        try:
            made = await self._fetched(output, attempt, bound, folder, seconds=0)
        except (OutputMissing, BadClip, BadStill) as bad:
            _log.info("render.leftover_refused", reason=str(bad))
            return None
        _log.info("render.recovered", render_attempt=attempt)
        return made

    async def _fetched(
        self, output: ComfyOutput, attempt: int, bound: BoundGraph, folder: Path, *, seconds: float
    ) -> Made:
        self._news.tell(stage="keeping", fraction=1.0, node="")
        path = folder / f"take_{attempt}{SUFFIXES[bound.kind]}"
        await self._comfy.fetch(output, path)
        path, info = await verified(path, self._order, bound)
        if not self._rules.prompts_in_files:
            path = await without_prompts(path, provenance_of(self._order.take, attempt))
        return Made(path, bound, info, attempt, seconds)
