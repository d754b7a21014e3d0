"""Pictures and clips by ComfyUI: one graph at a time, for the one GPU of this worker's server."""

import asyncio
from decimal import Decimal
from pathlib import Path

import structlog
from temporalio import activity

from activities._comfy_check import ensure_taken
from activities._comfy_file import stored
from activities._comfy_news import RenderNews
from activities._comfy_render import Render
from activities._comfy_rules import Made, RenderRules
from activities._comfy_servers import ComfyServers
from activities._comfy_watch import Previews
from activities._scratch import scratch
from comfy_workflows.graph import GraphTemplate, load_graph
from studio.contracts.clip import ClipId
from studio.contracts.progress import Stage
from studio.contracts.rendering import ClipToRender, GraphToRender, RenderedGraph
from studio.errors import StudioError
from studio.graphs import stored as stored_graph
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.providers.comfyui import ComfyClient
from studio.renders import order_of_clip, said
from studio.store.events import EventStore
from studio.store.takes import TakeStore

_log = structlog.get_logger()


class ComfyActivities:
    """Renders graphs, on the queue `gpu`. Its worker takes one at a time: the slot is the GPU."""

    def __init__(
        self, servers: ComfyServers, objects: ObjectStore, events: EventStore, takes: TakeStore, rules: RenderRules
    ) -> None:
        self._servers = servers
        self._objects = objects
        self._events = events
        self._takes = takes
        self._rules = rules

    @activity.defn
    async def render_graph(self, order: GraphToRender) -> RenderedGraph:
        """Have a picture or clip made, from upload to stored file, holding the GPU.

        Nothing is sent twice: whoever comes later finds the running prompt by its id, or the file by its name.
        """
        return await self._rendered(order)

    @activity.defn
    async def render_clip(self, clip: ClipToRender) -> RenderedGraph:
        """The same for a clip of a film."""
        return await self._rendered(order_of_clip(clip))

    async def _rendered(self, order: GraphToRender) -> RenderedGraph:
        news = RenderNews(order, self._events)
        try:
            async with news.going_out():
                rendered = await self._render(order, news)
        except (StudioError, asyncio.CancelledError) as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            await news.end(Stage.CANCELLED if cancelled else Stage.FAILED, str(error))
            raise
        # A sentence has it only when it has taken it.
        await news.end(Stage.DONE if isinstance(order.clip, ClipId) else Stage.KEEPING)
        return rendered

    async def _render(self, order: GraphToRender, news: RenderNews) -> RenderedGraph:
        template = await self._template(order)
        order = order.model_copy(update={"parameters": said(order.parameters, template)})
        async with self._servers.having(order.take, news.state) as (comfy, address):
            news.tell(server=address)
            with scratch(self._rules.work_dir) as folder:
                key = keys.preview_key(order.channel, order.take)
                previews = Previews(self._objects, key, folder) if self._rules.previews else None
                render = Render(comfy, order, news, self._rules, previews)
                making = asyncio.create_task(self._make(render, comfy, order, template, folder))
                try:
                    made = await asyncio.shield(making)
                except asyncio.CancelledError:
                    await self._called_off(render, making, order)
                    raise
                return await self._keep(made, order, use=True)

    async def _make(
        self, render: Render, comfy: ComfyClient, order: GraphToRender, template: GraphTemplate, folder: Path
    ) -> Made:
        images = [await self._uploaded(comfy, order, place) for place in range(len(order.parameters.images))]
        await ensure_taken(comfy, template.bind(order.parameters, images=images, prefix=order.take))
        return await render.make(template, images, folder)

    async def _uploaded(self, comfy: ComfyClient, order: GraphToRender, place: int) -> str:
        image = order.parameters.images[place]
        return await comfy.upload(await self._objects.read(image), image.key)

    async def _called_off(self, render: Render, making: "asyncio.Task[Made]", order: GraphToRender) -> None:
        """Only somebody's wish stops the server. When this worker ends, or is too late, another one goes on."""
        details = activity.cancellation_details()
        if details is None or not details.cancel_requested:
            making.cancel()
            await asyncio.wait([making])
            return
        made = await render.call_off(making)
        if made is not None:
            rendered = await self._keep(made, order, use=False)
            await self._takes.finish(order.channel, order.take, rendered.file, cost_usd=Decimal(0))

    async def _keep(self, made: Made, order: GraphToRender, *, use: bool) -> RenderedGraph:
        file = await stored(self._objects, order, made.path, made.info, use=use)
        _log.info("render.kept", key=file.media.key, size_bytes=file.media.size, gpu_seconds=made.seconds)
        return RenderedGraph(
            take=order.take,
            kind=made.bound.kind,
            file=file,
            attempt=made.attempt,
            gpu_seconds=made.seconds,
            notes=made.bound.notes,
        )

    async def _template(self, order: GraphToRender) -> GraphTemplate:
        if order.own is None:
            return load_graph(order.graph)
        return await stored_graph(order.own, self._objects)
