"""What came out of a render is written down at once: the take is there, whether its workflow still waits or not."""

from decimal import Decimal

from activities._comfy_rules import Made
from studio.contracts.clip import ClipFile, ClipId
from studio.contracts.rendering import GraphToRender
from studio.contracts.take import RenderedFile
from studio.store.renders import RenderStore
from studio.store.takes import TakeStore


async def remember(order: GraphToRender, made: Made, file: ClipFile, takes: TakeStore, renders: RenderStore) -> None:
    """Write down that the take of an order is there. What was written before stays."""
    if isinstance(order.clip, ClipId):
        await takes.finish(order.channel, order.take, file, cost_usd=Decimal(0))
    elif order.parts is not None:
        rendered = RenderedFile.of(file, made.bound.kind)
        await renders.keep(order.channel, order.take, order.parts, rendered, seconds=made.seconds)
