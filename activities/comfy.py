"""Pictures and clips by ComfyUI: one graph at a time, for the one GPU of this worker's server."""

import asyncio
from pathlib import Path

import structlog
from temporalio import activity

from activities._comfy_file import stored
from activities._comfy_news import RenderNews
from activities._comfy_prompt import Pace
from activities._comfy_render import Made, Render
from activities._comfy_servers import ComfyServers
from activities._scratch import scratch
from comfy_workflows.check import check_graph
from comfy_workflows.graph import GraphTemplate, load_graph
from studio.contracts.rendering import GraphToRender, RenderedGraph
from studio.objects.store import ObjectStore
from studio.providers.comfyui import ComfyClient

_log = structlog.get_logger()


class ComfyActivities:
    """Renders graphs, on the queue `gpu`. Its worker takes one at a time: the slot is the GPU."""

    def __init__(self, servers: ComfyServers, objects: ObjectStore, *, work_dir: Path, pace: Pace) -> None:
        self._servers = servers
        self._objects = objects
        self._work_dir = work_dir
        self._pace = pace

    @activity.defn
    async def render_graph(self, order: GraphToRender) -> RenderedGraph:
        """Have a picture or clip made, from upload to stored file, holding the GPU.

        Nothing is sent twice: whoever comes later finds the running prompt by its id, or the file by its name.
        """
        news = RenderNews()
        template = await self._template(order)
        async with news.beating(), self._servers.having(order.take, news.state) as (comfy, address):
            news.tell(server=address)
            with scratch(self._work_dir) as folder:
                render = Render(comfy, order, template, news, self._pace)
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
        images = [await self._uploaded(comfy, order, place, folder) for place in range(len(order.parameters.images))]
        bound = template.bind(order.parameters, images=images, prefix="check")
        check_graph(bound.graph, await comfy.object_info())
        return await render.make(images, folder)

    async def _uploaded(self, comfy: ComfyClient, order: GraphToRender, place: int, folder: Path) -> str:
        image = order.parameters.images[place]
        path = await self._objects.fetch(image, folder / f"image_{place}")
        return await comfy.upload(path, image)

    async def _called_off(self, render: Render, making: "asyncio.Task[Made]", order: GraphToRender) -> None:
        """Only somebody's wish stops the server. When this worker ends, or is too late, another one goes on."""
        details = activity.cancellation_details()
        if details is None or not details.cancel_requested:
            making.cancel()
            await asyncio.wait([making])
            return
        made = await render.call_off(making)
        if made is not None:
            await self._keep(made, order, use=False)

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
        return GraphTemplate.model_validate_json(await self._objects.read(order.own))
