"""A studio in this process: the production composition root, and what tests ask of it."""

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from PIL import Image
from temporalio.client import Client, WorkflowHandle

from simulators.kie import KieSimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId, ClipRequest
from studio.contracts.gate import GateStatus
from studio.contracts.video import VideoProgress, VideoRequest, VideoResult, VideoStatus
from studio.errors import DatabaseUnavailable
from studio.objects import keys
from studio.objects.store import ObjectStore, open_store
from studio.settings import Settings
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger
from worker import working
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue, video_workflow_id
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow

WIDTH, HEIGHT = 192, 108
SMALLEST_STILL = 300
"""Pixels of the shorter side, for Kling."""
QUEUES = (TaskQueue.STUDIO, TaskQueue.KLING, TaskQueue.MEDIA)
HANG_GUARD = 240.0
"""Seconds after which something that should have happened never will."""
LONGEST_PAUSE = 0.2
"""Seconds between two looks at something that takes long."""

T = TypeVar("T")
Handle = WorkflowHandle[VideoWorkflow, VideoResult]
GateHandle = WorkflowHandle[GateWorkflow, None]


@dataclass
class StudioAtWork:
    """Workers that run, and the stores behind them."""

    temporal: Client
    kie: KieSimulator
    settings: Settings
    objects: ObjectStore
    database: Database
    folder: Path
    stack: AsyncExitStack
    running: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def ledger(self) -> SubmissionLedger:
        """The ledger of orders."""
        return SubmissionLedger(self.database)

    async def open(self, *queues: TaskQueue) -> None:
        """Begin to serve."""
        await self.running.enter_async_context(working(self.settings, queues or QUEUES, self.temporal))

    async def close(self) -> None:
        """Stop serving, in good order."""
        await self.running.aclose()
        self.running = AsyncExitStack()

    async def request(
        self,
        video_id: str = "vid_1",
        *,
        clips: int = 3,
        channel: str = "poke1",
        seconds: Literal[5, 10] = 5,
        width: int = WIDTH,
        height: int = HEIGHT,
        **fields: Any,
    ) -> VideoRequest:
        """A video of small stills, which lie in the store. Nobody calls back, so lost orders are not waited for."""
        fields.setdefault("unknown_wait_seconds", 0)
        made = [
            ClipRequest(
                number=number,
                still=await self.still(
                    ClipId(channel=channel, video_id=video_id, number=number), still_size(width, height)
                ),
                prompt=f"Haunter floats down corridor {number:02d} of {video_id}. Slow dolly forward.",
                seconds=seconds,
            )
            for number in range(1, clips + 1)
        ]
        return VideoRequest(channel=channel, video_id=video_id, clips=made, width=width, height=height, **fields)

    def clip(self, number: int, video_id: str = "vid_1", channel: str = "poke1") -> ClipId:
        """A clip of the usual video."""
        return ClipId(channel=channel, video_id=video_id, number=number)

    async def still(self, clip: ClipId, size: tuple[int, int] | None = None) -> MediaRef:
        """A small picture in the store, another one for every clip."""
        size = size or still_size(WIDTH, HEIGHT)
        path = self.folder / f"{clip.channel}-{clip.video_id}-{clip.number}.png"
        colour = (40 + clip.number * 7 % 200, 90, 160)
        grain = Image.effect_noise(size, 80).convert("RGB")
        await asyncio.to_thread(Image.blend(Image.new("RGB", size, colour), grain, 0.5).save, path, compress_level=1)
        return await self.objects.put(path, keys.still_key(clip, "image/png"), "image/png")

    async def start(self, request: VideoRequest) -> Handle:
        """Start a video as a backend service would."""
        return await self.temporal.start_workflow(
            VideoWorkflow.run,
            request,
            id=video_workflow_id(request.channel, request.video_id),
            task_queue=TaskQueue.STUDIO,
        )

    async def make(self, request: VideoRequest) -> VideoResult:
        """Make a video from beginning to end."""
        return await (await self.start(request)).result()

    async def waiting(self, handle: Handle, status: VideoStatus = VideoStatus.VIDEO_ERROR) -> VideoProgress:
        """The video's progress, once it has this status.

        PostgreSQL is looked at first: a query costs the server and the worker ten times as much.
        """
        looks = itertools.count(1)

        async def look() -> VideoProgress | None:
            if await self._recorded(handle) != status and next(looks) % 10:
                return None
            return await handle.query(VideoWorkflow.progress)

        progress = await eventually(look, lambda seen: seen is not None and seen.status is status)
        assert progress is not None
        return progress

    async def _recorded(self, handle: Handle) -> str | None:
        """The video's status as PostgreSQL has it, which may be older than what the workflow says; None: no row."""
        try:
            rows = await self.rows("select status from videos where workflow_id = $1", handle.id)
        except DatabaseUnavailable:
            return None
        return rows[0]["status"] if rows else None

    @property
    def gate(self) -> GateHandle:
        """The gate of Kling."""
        return self.temporal.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)

    async def gate_state(self) -> GateStatus:
        """How the gate of Kling stands."""
        return await self.gate.query(GateWorkflow.state)

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows of the database as dictionaries."""
        async with self.database.transaction() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]


def still_size(width: int, height: int) -> tuple[int, int]:
    """The smallest still of a video's shape that Kling takes."""
    scale = max(1.0, SMALLEST_STILL / min(width, height))
    return math.ceil(width * scale), math.ceil(height * scale)


def make_studio(
    temporal: Client, database_url: str, kie: KieSimulator, folder: Path, stack: AsyncExitStack, **changes: Any
) -> StudioAtWork:
    """A studio that is not open yet."""
    settings = Settings.model_validate(
        {
            "temporal_address": temporal.service_client.config.target_host,
            "temporal_namespace": temporal.namespace,
            "database_url": database_url,
            "object_store_url": f"file://{folder / 'objects'}",
            "work_dir": folder / "work",
            "kie_api_key": "sim-key",
            "kie_api_url": kie.api_url,
            "kie_upload_url": kie.upload_url,
            "kie_speed": kie.config.speed,
            "kling_look_min_seconds": 10,
            "kling_look_max_seconds": 20,
            "kling_calls_per_second": 0,
            "kling_orders_per_window": 0,
            **changes,
        }
    )
    database = Database(database_url)
    stack.push_async_callback(database.close)
    at_work = StudioAtWork(
        temporal=temporal,
        kie=kie,
        settings=settings,
        objects=open_store(settings.store_place()),
        database=database,
        folder=folder,
        stack=stack,
    )
    stack.push_async_callback(at_work.close)
    return at_work


async def eventually(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, seconds: float = HANG_GUARD) -> T:
    """Look until it is good, less and less often; fails with the last look when it never is."""
    deadline, pause = time.monotonic() + seconds, 0.02
    while True:
        seen = await look()
        if good(seen):
            return seen
        assert time.monotonic() < deadline, f"still not: {seen}"
        await asyncio.sleep(pause)
        pause = min(1.4 * pause, LONGEST_PAUSE)
