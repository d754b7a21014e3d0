"""Listening to a ComfyUI server while it renders. All of it is a hint: looks tell the truth."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from activities._comfy_news import RenderNews
from activities._comfy_prompt import Prompt
from comfy_workflows.weights import samplers_of, weights_of
from studio.errors import StorageUnavailable
from studio.objects.store import ObjectStore
from studio.providers.comfyui_answers import ComfyJob
from studio.providers.comfyui_socket import ComfyPreview, ComfyProgress

BETWEEN_PREVIEWS = 0.5
"""Seconds from one preview to the next at least."""
BETWEEN_LINES = 5.0
"""Seconds from one try to be told of progress to the next at least."""


@dataclass
class Previews:
    """Where the newest preview of a take is kept."""

    objects: ObjectStore
    key: str
    folder: Path
    _next: float = 0

    async def show(self, preview: ComfyPreview) -> str | None:
        """Keep this one, unless the last one is younger than half a second; returns its key."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return None
        self._next = now + BETWEEN_PREVIEWS
        path = self.folder / "preview"
        await asyncio.to_thread(path.write_bytes, preview.image)
        try:
            return (await self.objects.put(path, self.key, preview.mime)).key
        except StorageUnavailable:
            return None


class Ear:
    """Listens to a prompt; again, when the line broke. `look` is set when the server has nothing more to tell."""

    def __init__(self, prompt: Prompt, news: RenderNews, previews: Previews | None, look: asyncio.Event) -> None:
        self._prompt = prompt
        self._news = news
        self._previews = previews
        self._look = look
        self._task: asyncio.Task[None] | None = None
        self._heard_since: float | None = None
        self._next = 0.0

    async def listen(self, job: ComfyJob) -> None:
        """Begin to, unless it does already, or has tried so a moment ago, or nobody knows under which name."""
        now = asyncio.get_running_loop().time()
        if now >= self._next and (self._task is None or self._task.done()):
            self._next = now + BETWEEN_LINES
            if client_id := await self._prompt.hearer(job):
                self._task = asyncio.create_task(self._follow(client_id))

    def silence(self) -> timedelta:
        """How long the server has told of no progress; nothing when it is not heard at all: nobody knows then."""
        if self._heard_since is None:
            return timedelta(0)
        return min(self._news.still_for(), timedelta(seconds=asyncio.get_running_loop().time() - self._heard_since))

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _follow(self, client_id: str) -> None:
        graph = self._prompt.bound.graph
        weights, samplers = weights_of(graph), samplers_of(graph) or frozenset(graph)
        try:
            async with aclosing(self._prompt.server.client.watch(self._prompt.id, client_id)) as hints:
                async for hint in hints:
                    if isinstance(hint, ComfyProgress):
                        node = graph.get(hint.node or "", {})
                        name = node.get("_meta", {}).get("title") or node.get("class_type") or ""
                        self._news.tell(node=name, fraction=hint.fraction(weights))
                        if any(hint.shares.get(sampler, 0) > 0 for sampler in samplers):
                            self._news.stepped()
                        if hint.node and self._heard_since is None:
                            self._heard_since = asyncio.get_running_loop().time()
                    elif self._previews is not None and (key := await self._previews.show(hint)):
                        self._news.preview = key
        finally:
            self._heard_since = None
        self._look.set()
