"""Listening to a ComfyUI server while it renders. All of it is a hint: looks tell the truth."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from activities._comfy_news import RenderNews
from activities._comfy_prompt import Prompt
from comfy_workflows.weights import weights_of
from studio.errors import StorageUnavailable
from studio.objects.store import ObjectStore
from studio.providers.comfyui_socket import ComfyPreview, ComfyProgress

BETWEEN_PREVIEWS = 0.5
"""Seconds from one preview to the next at least."""


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


async def listen(
    prompt: Prompt, client_id: str, news: RenderNews, previews: Previews | None, look: asyncio.Event
) -> None:
    """Tell what the server tells of a prompt; `look` is set when it has nothing more to tell."""
    graph = prompt.bound.graph
    weights = weights_of(graph)
    async with aclosing(prompt.server.client.watch(prompt.id, client_id)) as hints:
        async for hint in hints:
            if isinstance(hint, ComfyProgress):
                node = graph.get(hint.node or "", {})
                name = node.get("_meta", {}).get("title") or node.get("class_type") or ""
                news.tell(node=name, fraction=hint.fraction(weights))
            elif previews is not None and (key := await previews.show(hint)):
                news.preview = key
    look.set()
