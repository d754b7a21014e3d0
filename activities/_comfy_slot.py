"""The one slot of a ComfyUI server's worker: there is only one GPU, and none while the server is away.

A worker that went on taking renders which its server cannot make would take them from those whose servers can: it is
always free.
"""

import asyncio

import structlog
from temporalio.worker import (
    CustomSlotSupplier,
    FixedSizeSlotSupplier,
    SlotMarkUsedContext,
    SlotPermit,
    SlotReleaseContext,
    SlotReserveContext,
    WorkerTuner,
)

from studio.errors import ServerGone, StudioError
from studio.providers.comfyui import ComfyClient

BETWEEN_LOOKS = 1.0
"""Seconds between two looks for a server that is away."""
LONGEST_ANSWER = 5.0
"""Seconds a server may take to say how it is."""

_log = structlog.get_logger()


def one_gpu(comfy: ComfyClient) -> WorkerTuner:
    """How a worker takes its tasks: one at a time, and only while the server answers."""
    nothing_else = FixedSizeSlotSupplier(1)
    return WorkerTuner.create_composite(
        workflow_supplier=nothing_else,
        activity_supplier=_GpuSlot(comfy),
        local_activity_supplier=nothing_else,
        nexus_supplier=nothing_else,
    )


class _GpuSlot(CustomSlotSupplier):
    """Asked for before every poll. What the worker holds already stays: a render waits for its server by itself."""

    def __init__(self, comfy: ComfyClient) -> None:
        self._comfy = comfy
        self._free = asyncio.Semaphore(1)
        self._loop = asyncio.get_running_loop()

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        await self._free.acquire()
        try:
            await self._server()
        except BaseException:
            self._free.release()
            raise
        return SlotPermit()

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        pass

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        # Called from a thread of the SDK's own.
        self._loop.call_soon_threadsafe(self._free.release)

    async def _server(self) -> None:
        """Wait until the server says how it is."""
        away = False
        while not await self._answers():
            if not away:
                _log.warning("comfyui.away", reason="no render is taken until it answers")
            away = True
            await asyncio.sleep(BETWEEN_LOOKS)
        if away:
            _log.warning("comfyui.back")

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(LONGEST_ANSWER):
                await self._comfy.system_stats()
        except (ServerGone, TimeoutError):
            return False
        except StudioError:
            pass  # a render says it in better words
        return True
