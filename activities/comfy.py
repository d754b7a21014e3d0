"""Pictures and clips by ComfyUI: one graph at a time on the one GPU of this worker's server."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog
from temporalio import activity

from activities._comfy_cancel import called_off
from activities._comfy_check import ensure_as_planned
from activities._comfy_failures import ensure_fit, judged
from activities._comfy_file import stored
from activities._comfy_news import RenderNews
from activities._comfy_records import remember
from activities._comfy_render import Render
from activities._comfy_rules import RenderRules
from activities._comfy_servers import ComfyServers
from activities._comfy_watch import Previews
from activities._scratch import scratch
from activities._stills import PreparedStills, WantedStill
from comfy_workflows.graph import GraphTemplate, load_graph
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId
from studio.contracts.progress import Stage
from studio.contracts.rendering import ClipToRender, GraphToRender, RenderedGraph
from studio.contracts.video import Provider
from studio.errors import StudioError
from studio.graphs import stored as stored_graph
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.renders import order_of_clip, said
from studio.store.events import EventStore
from studio.store.renders import RenderStore
from studio.store.takes import TakeStore

_log = structlog.get_logger()


@dataclass(frozen=True)
class RenderStores:
    """Where renders come from and go to, and who hears of them."""

    objects: ObjectStore
    events: EventStore
    takes: TakeStore
    renders: RenderStore


class ComfyActivities:
    """Renders graphs, on the queue `gpu`. Its worker takes the next one when the GPU is free."""

    def __init__(self, servers: ComfyServers, stores: RenderStores, rules: RenderRules) -> None:
        self._servers = servers
        self._stores = stores
        self._rules = rules
        self._stills = PreparedStills(stores.objects, work_dir=rules.work_dir)

    @activity.defn
    async def render_graph(self, order: GraphToRender) -> RenderedGraph:
        """Have a picture or clip made, from upload to stored file, holding the GPU until the server is done.

        Nothing is sent twice: whoever comes later finds the running prompt by its id, or the file by its name.

        Raises:
            InvalidRequest: a picture is another channel's.
        """
        keys.ensure_of_channel(order.channel, order)
        return await self._rendered(order)

    @activity.defn
    async def render_clip(self, clip: ClipToRender) -> RenderedGraph:
        """The same for a clip of a video, which then has it at its place."""
        keys.ensure_of_channel(clip.clip.channel, clip)
        return await self._rendered(order_of_clip(clip), place=keys.clip_key(clip.clip))

    async def _rendered(self, order: GraphToRender, place: str | None = None) -> RenderedGraph:
        news = RenderNews(order, self._stores.events)
        try:
            async with news.going_out():
                try:
                    rendered = await self._render(order, news)
                    if place is not None:
                        await self._stores.objects.copy(rendered.file.media.key, place)
                except StudioError as error:
                    raise await judged(error, news, self._servers, self._rules.first_rest) from None
        except StudioError as error:
            await news.end(Stage.WAITING if error.retryable else Stage.FAILED, str(error))
            raise
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            called_off = details is not None and details.cancel_requested
            await news.end(Stage.CANCELLED if called_off else Stage.WAITING, news.farewell)
            raise
        # A sentence has it only when it has taken it.
        await news.end(Stage.DONE if isinstance(order.clip, ClipId) else Stage.KEEPING)
        return rendered

    async def _render(self, order: GraphToRender, news: RenderNews) -> RenderedGraph:
        async with self._servers.having(order.take, news.state) as server:
            await ensure_fit(news, self._servers)
            template = await self._template(order)
            news.tell(server=server.name)
            with scratch(self._rules.work_dir) as folder:
                key = keys.preview_key(order.channel, order.take)
                previews = Previews(self._stores.objects, key, folder) if self._rules.previews else None
                told = order.model_copy(update={"parameters": said(order.parameters, template)})
                render = Render(server, told, news, self._rules, previews)
                making = asyncio.create_task(self._make(render, order, template, folder))
                try:
                    return await asyncio.shield(making)
                except asyncio.CancelledError:
                    await called_off(render, making, order)
                    raise

    async def _make(self, render: Render, order: GraphToRender, template: GraphTemplate, folder: Path) -> RenderedGraph:
        """All of it, so that what is finished in spite of a cancel is kept, too."""
        images = [await self._uploaded(render, order, image) for image in order.parameters.images]
        made = await render.make(template, images, folder)
        file = await stored(self._stores.objects, order, made.path, made.info)
        await remember(order, made, file, self._stores.takes, self._stores.renders)
        _log.info("render.kept", key=file.media.key, size_bytes=file.media.size, gpu_seconds=made.seconds)
        return RenderedGraph(
            take=order.take,
            kind=made.bound.kind,
            file=file,
            attempt=made.attempt,
            gpu_seconds=made.seconds,
            notes=made.bound.notes,
        )

    async def _uploaded(self, render: Render, order: GraphToRender, image: MediaRef) -> str:
        wanted = WantedStill(order.channel, image, Provider.COMFYUI, order.framing)
        picture, content = await self._stills.read(wanted)
        return await render.server.client.upload(content, picture.key)

    async def _template(self, order: GraphToRender) -> GraphTemplate:
        if order.own is not None:
            return await stored_graph(order.own, self._stores.objects)
        await ensure_as_planned(order, self._stores.takes)
        return load_graph(order.graph)
