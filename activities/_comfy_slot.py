"""The slot of a ComfyUI server's worker: there is only one GPU, and none while the server is away.

A worker that went on taking renders which its server cannot make would take them from those whose servers can: it is
always free. And a GPU that waits until its last clip is at home stands still: a render gives the slot back when the
server is done with it.
"""

import asyncio
from contextlib import suppress

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

from studio.errors import Forbidden, RequestRefused, ServerGone, StudioError
from studio.providers.comfyui import ComfyClient

BETWEEN_LOOKS = 1.0
"""Seconds between two looks for a server that is away."""
LONGEST_ANSWER = 5.0
"""Seconds a server may take to say how it is."""
AT_ONCE = 2
"""Renders that a worker has to do with: one on the GPU, one whose file is on its way home."""

_log = structlog.get_logger()


class GpuSlot(CustomSlotSupplier):
    """Asked for before every poll. What the worker holds already stays: a render waits for its server by itself."""

    def __init__(self, comfy: ComfyClient) -> None:
        self._comfy = comfy
        self._gpu = asyncio.Semaphore(1)
        self._hands = asyncio.Semaphore(AT_ONCE)
        self._loop = asyncio.get_running_loop()
        self._holder: SlotPermit | None = None
        self._rest_until = 0.0
        self._news = asyncio.Event()
        self.busy = False
        """The server has a render of ours."""
        self.away = ""
        """Why the server cannot be used just now; empty when it can, as far as anybody knows."""

    @property
    def turn(self) -> SlotPermit | None:
        """Who has the GPU: asked by a render when it begins, it is its own."""
        return self._holder

    def give_back(self, turn: SlotPermit | None) -> None:
        """The server is done with this turn's render: the next one may come. Saying it twice does no harm."""
        if turn is not None and turn is self._holder:
            self._holder = None
            self._gpu.release()
            self._is(busy=False)

    def rest(self, seconds: float) -> None:
        """Take nothing for a moment: what was given up here is for somebody else."""
        self._rest_until = self._loop.time() + seconds

    async def look(self) -> str:
        """See whether the server can be used; returns why not. While it renders for us, the render sees to that."""
        trouble = await self._trouble()
        if not self.busy:
            self._is(away=trouble)
        return trouble

    async def changed(self, within: float) -> None:
        """Wait, so many seconds at most, until the server is busy, or away, or is not any more."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), within)
        self._news.clear()

    def tuner(self) -> WorkerTuner:
        """How a worker takes its tasks: one at a time, and only while the server answers."""
        nothing_else = FixedSizeSlotSupplier(1)
        return WorkerTuner.create_composite(
            workflow_supplier=nothing_else,
            activity_supplier=self,
            local_activity_supplier=nothing_else,
            nexus_supplier=nothing_else,
        )

    # ── what the SDK asks ────────────────────────────────────────────────

    async def reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit:
        await self._hands.acquire()
        try:
            await self._gpu.acquire()
            try:
                await self._server()
            except BaseException:
                self._gpu.release()
                raise
        except BaseException:
            self._hands.release()
            raise
        self._holder = SlotPermit()
        return self._holder

    def try_reserve_slot(self, ctx: SlotReserveContext) -> SlotPermit | None:
        return None

    # These two are called from a thread of the SDK's own.

    def mark_slot_used(self, ctx: SlotMarkUsedContext) -> None:
        self._loop.call_soon_threadsafe(lambda: self._is(busy=True))

    def release_slot(self, ctx: SlotReleaseContext) -> None:
        self._loop.call_soon_threadsafe(self._released, ctx.permit)

    def _released(self, permit: SlotPermit) -> None:
        self.give_back(permit)
        self._hands.release()

    async def _server(self) -> None:
        pause = self._rest_until - self._loop.time()
        while pause > 0 or await self.look():
            await asyncio.sleep(max(pause, BETWEEN_LOOKS))
            pause = 0

    def _is(self, *, busy: bool | None = None, away: str | None = None) -> None:
        before = (self.busy, self.away)
        self.busy = self.busy if busy is None else busy
        self.away = self.away if away is None else away
        if before == (self.busy, self.away):
            return
        self._news.set()
        if self.away and not before[1]:
            _log.warning("comfyui.away", reason=self.away, meaning="no render is taken until it answers")
        elif before[1] and not self.away:
            _log.warning("comfyui.back")

    async def _trouble(self) -> str:
        try:
            async with asyncio.timeout(LONGEST_ANSWER):
                await self._comfy.system_stats()
        except TimeoutError:
            return "ComfyUI does not answer"
        except (ServerGone, Forbidden, RequestRefused) as error:
            return str(error)
        except StudioError:
            pass  # a render says it in better words
        return ""
