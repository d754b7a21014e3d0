"""The ground every benchmark stands on: a stack of its own in a folder of its own, and films of small stills."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
from PIL import Image
from temporalio.client import Client, WorkflowHandle

from local.stack import ROOT, Stack, StackOptions, running_stack
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId, ClipRequest
from studio.contracts.film import VideoProgress, VideoRequest, VideoResult
from studio.objects import keys
from studio.objects.store import ObjectStore, StorePlace, open_store
from workflows_temporal.addresses import TaskQueue, video_workflow_id
from workflows_temporal.connection import connect
from workflows_temporal.video import VideoWorkflow

T = TypeVar("T")
Handle = WorkflowHandle[VideoWorkflow, VideoResult]
WIDTH, HEIGHT = 192, 108


@dataclass
class Ground:
    """A stack, and a client of it."""

    stack: Stack
    temporal: Client
    objects: ObjectStore
    folder: Path

    async def film(self, video_id: str, *, clips: int, channel: str = "bench", **fields: Any) -> VideoRequest:
        """A film of small stills, all the same picture under other names."""
        path = self.folder / "still.png"
        if not path.exists():
            Image.effect_noise((WIDTH, HEIGHT), 60).convert("RGB").save(path)
        first = ClipId(channel=channel, video_id=video_id, number=1)
        still = await self.objects.put(path, keys.still_key(first, "image/png"), "image/png")
        made = [_clip(video_id, number, still) for number in range(1, clips + 1)]
        size = {"width": WIDTH, "height": HEIGHT}
        return VideoRequest(channel=channel, video_id=video_id, clips=made, **(size | fields))

    async def start(self, request: VideoRequest) -> Handle:
        """Start a film."""
        return await self.temporal.start_workflow(
            VideoWorkflow.run,
            request,
            id=video_workflow_id(request.channel, request.video_id),
            task_queue=TaskQueue.STUDIO,
        )

    async def ledger(self, *parts: str) -> dict[str, Any]:
        """The simulated provider's ledger, or parts of it."""
        only = "&".join(f"only={part}" for part in parts)
        async with httpx.AsyncClient(timeout=60) as http:
            answer = await http.get(f"{self.stack.kie['admin_url']}/__sim/ledger?{only}")
        return cast(dict[str, Any], answer.json())


def _clip(video_id: str, number: int, still: MediaRef) -> ClipRequest:
    prompt = f"Clip {number} of {video_id}: something moves. Slow dolly forward."
    return ClipRequest(number=number, still=still, prompt=prompt, seconds=5)


@asynccontextmanager
async def ground(
    *, kie: Mapping[str, Any], speed: float, workers: Mapping[str, str], settings: Mapping[str, str]
) -> AsyncIterator[Ground]:
    """A fresh stack whose simulated provider serves one tiny ready-made clip; gone at the end."""
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "data", ignore_cleanup_errors=True) as folder:
        options = StackOptions(
            data=Path(folder),
            speed=speed,
            kie={"clips": "placeholder", "rate_limit": 0, "poll_limit": 0, "credits": 10_000_000, **kie},
            settings={
                "KLING_CALLS_PER_SECOND": "0",
                "KLING_ORDERS_PER_WINDOW": "0",
                "LOG_LEVEL": "warning",
                **settings,
            },
            workers=workers,
            fixed_ports=False,
            callbacks=False,  # what is measured does not depend on them
        )
        async with running_stack(options) as stack:
            temporal = await connect(stack.temporal.address)
            objects = open_store(StorePlace(url=stack.environment["OBJECT_STORE_URL"]))
            yield Ground(stack, temporal, objects, Path(folder))


async def progress_of(handle: Handle) -> VideoProgress:
    """How a film stands."""
    return await handle.query(VideoWorkflow.progress)


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, every: float = 0.2) -> T:
    """Look until it is good."""
    while True:
        seen = await look()
        if good(seen):
            return seen
        await asyncio.sleep(every)


def say(words: str) -> None:
    """A line about the course of things, beside the result."""
    print(words, file=sys.stderr, flush=True)
