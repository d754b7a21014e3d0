"""What came out of a render is written down at once: the take is there, whether its workflow still waits or not."""

from decimal import Decimal

from activities._comfy_rules import Made
from studio.contracts.clip import ClipFile, ClipId
from studio.contracts.rendering import GraphToRender
from studio.contracts.take import RenderedFile, RenderParts
from studio.store.renders import RenderStore
from studio.store.takes import TakeStore


async def remember(order: GraphToRender, made: Made, file: ClipFile, takes: TakeStore, renders: RenderStore) -> None:
    """Write down that the take of an order is there. What was written before stays."""
    if isinstance(order.clip, ClipId):
        await takes.finish(order.channel, order.take, file, cost_usd=Decimal(0))
    elif order.graph_sha256 is not None:
        parts = RenderParts(
            graph=order.graph,
            graph_sha256=order.graph_sha256,
            parameters=order.parameters,
            frames=order.kept_frames,
            variant=order.variant,
        )
        await renders.keep(
            order.channel, order.take, parts, RenderedFile.of(file, made.bound.kind), seconds=made.seconds
        )
