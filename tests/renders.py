"""What a ComfyUI server was asked to make, seen from its own ledger."""

from collections.abc import Callable
from typing import Any

from simulators.comfyui import ComfySimulator
from studio.contracts.video import Provider
from tests.studio_at_work import eventually

VIDEO: dict[str, Any] = {"provider": Provider.COMFYUI, "width": 256, "height": 256}
"""Fields of a video whose clips it makes: small ones."""


def states(comfy: ComfySimulator) -> list[str]:
    """What became of our prompts, in the order they came."""
    return [entry.state for entry in comfy.ledger.prompts if entry.prefix.startswith("longtake/")]


async def until(comfy: ComfySimulator, good: Callable[[list[str]], bool]) -> list[str]:
    """Wait until the states of our prompts are good."""

    async def look() -> list[str]:
        return states(comfy)

    return await eventually(look, good)


async def running(comfy: ComfySimulator) -> None:
    """Wait until the server renders."""
    await until(comfy, lambda seen: "running" in seen)
