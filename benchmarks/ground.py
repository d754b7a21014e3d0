"""The ground every benchmark stands on: a stack of its own in a folder of its own, and videos of small stills."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeVar, cast
from urllib.parse import urlsplit

import httpx
from PIL import Image
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHandle

from local.stack import ROOT, Stack, StackOptions, running_stack
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId, ClipRequest
from studio.contracts.video import VideoProgress, VideoRequest, VideoResult
from studio.objects import keys
from studio.objects.store import ObjectStore, StorePlace, open_store
from studio.store.pool import Database, open_database
from workflows_temporal.addresses import TaskQueue, video_workflow_id
from workflows_temporal.connection import connect
from workflows_temporal.video import VideoWorkflow

T = TypeVar("T")
Handle = WorkflowHandle[VideoWorkflow, VideoResult]
WIDTH, HEIGHT = 192, 108
STILL = (534, 300)
"""The smallest of this shape that Kling takes."""
_TINY = {
    "clips": "placeholder",
    "placeholder_size": [WIDTH, HEIGHT],
    "rate_limit": 0,
    "poll_limit": 0,
    "credits": 10_000_000,
}
_UNHURRIED = {"KLING_CALLS_PER_SECOND": "0", "KLING_ORDERS_PER_WINDOW": "0", "LOG_LEVEL": "warning"}


@dataclass
class Ground:
    """A stack, and a client of it."""

    stack: Stack
    temporal: Client
    objects: ObjectStore
    folder: Path
    database: Database
    provider: httpx.AsyncClient
    """The simulated provider's admin door."""

    async def video(
        self, video_id: str, *, clips: int, channel: str = "bench", seconds: Literal[5, 10] = 5, **fields: Any
    ) -> VideoRequest:
        """A video of small stills, all the same picture under other names."""
        path = self.folder / "still.png"
        if not path.exists():
            Image.effect_noise(STILL, 60).convert("RGB").save(path)
        first = ClipId(channel=channel, video_id=video_id, number=1)
        still = await self.objects.put(path, keys.still_key(first, "image/png"), "image/png")
        made = [_clip(video_id, number, still, seconds) for number in range(1, clips + 1)]
        size = {"width": WIDTH, "height": HEIGHT}
        return VideoRequest(channel=channel, video_id=video_id, clips=made, **(size | fields))

    async def start(self, request: VideoRequest) -> Handle:
        """Start a video."""
        return await self.temporal.start_workflow(
            VideoWorkflow.run,
            request,
            id=video_workflow_id(request.channel, request.video_id),
            task_queue=TaskQueue.STUDIO,
        )

    async def histories(self, handle: Handle) -> list[list[HistoryEvent]]:
        """All runs of a video, the first one first."""
        found = []
        async for run in self.temporal.list_workflows(f"WorkflowId = '{handle.id}'"):
            history = await self.temporal.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
            found.append(list(history.events))
        return sorted(found, key=lambda events: time_of(events[0]))

    async def ledger(self, *parts: str) -> dict[str, Any]:
        """The simulated provider's ledger, or parts of it."""
        answer = await self.provider.get("/__sim/ledger", params=[("only", part) for part in parts])
        return cast(dict[str, Any], answer.json())

    async def tasks(self, channel: str) -> list[dict[str, Any]]:
        """What the provider accepted for a channel, by the address it was told to call back."""
        told = (await self.ledger("tasks"))["tasks"]
        return [task for task in told if f"channel={channel}&" in (task["call_back_url"] or "")]

    async def provider_is_done(self) -> None:
        """Wait until no task is left in the provider's works."""
        await until(lambda: self.ledger("counters"), lambda book: book["counters"]["in_flight"] == 0)

    async def tell(self, deed: str, **body: Any) -> dict[str, Any]:
        """Have the provider do something: `faults`, `config` …"""
        answer = await self.provider.post(f"/__sim/{deed}", json=body)
        return cast(dict[str, Any], answer.raise_for_status().json())

    async def faults(self) -> list[dict[str, Any]]:
        """The provider's fault rules, and how often each was hit."""
        rules: list[dict[str, Any]] = (await self.provider.get("/__sim/faults")).json()["rules"]
        return rules

    async def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Rows of our own books."""
        async with self.database.transaction() as connection:
            return [dict(row) for row in await connection.fetch(query, *arguments)]


def words_of(video_id: str, number: int) -> str:
    """How the prompt of a clip begins: what it is known by at the provider."""
    return f"Clip {number} of {video_id}:"


def order_id(task: Mapping[str, Any]) -> str:
    """The order that a task of the provider's was sent for."""
    return urlsplit(task["call_back_url"] or "").path.rpartition("/")[2]


def _clip(video_id: str, number: int, still: MediaRef, seconds: Literal[5, 10]) -> ClipRequest:
    prompt = f"{words_of(video_id, number)} something moves. Slow dolly forward."
    return ClipRequest(number=number, still=still, prompt=prompt, seconds=seconds)


@asynccontextmanager
async def ground(
    *,
    kie: Mapping[str, Any],
    speed: float,
    workers: Mapping[str, str],
    settings: Mapping[str, str],
    callbacks: bool = False,
    gpus: int = 0,
    comfyui: Mapping[str, Any] = MappingProxyType({}),
) -> AsyncIterator[Ground]:
    """A fresh stack whose simulated provider serves one tiny ready-made clip; gone at the end.

    Args:
        callbacks: start the gateway and have the provider call back. Most figures do not depend on that.
        gpus: so many simulated ComfyUI servers, each with its worker; they serve ready-made files and keep a ledger.
    """
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "data", ignore_cleanup_errors=True) as folder:
        options = StackOptions(
            data=Path(folder),
            speed=speed,
            kie={**_TINY, **kie},
            settings={**_UNHURRIED, **settings},
            workers=workers,
            fixed_ports=False,
            callbacks=callbacks,
            gpus=gpus,
            comfyui={"files": "placeholder", "persist": True, **comfyui},
        )
        async with (
            running_stack(options) as stack,
            open_database(stack.environment["DATABASE_URL"]) as database,
            httpx.AsyncClient(base_url=stack.kie["admin_url"], timeout=60) as provider,
        ):
            temporal = await connect(stack.temporal.address)
            objects = open_store(StorePlace(url=stack.environment["OBJECT_STORE_URL"]))
            yield Ground(stack, temporal, objects, Path(folder), database, provider)


def time_of(event: HistoryEvent) -> datetime:
    """When it happened, in UTC."""
    return event.event_time.ToDatetime(UTC)


async def progress_of(handle: Handle) -> VideoProgress:
    """How a video stands."""
    return await handle.query(VideoWorkflow.progress)


async def until(look: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, every: float = 0.2) -> T:
    """Look until it is good."""
    while True:
        seen = await look()
        if good(seen):
            return seen
        await asyncio.sleep(every)


async def command(here: Ground, *words: str) -> Any:
    """A command as a person gives it; returns what it printed as JSON."""
    starter = [sys.executable, str(ROOT / "starter.py"), *words, "--data", str(here.folder), "--json"]
    child = await asyncio.create_subprocess_exec(*starter, stdout=asyncio.subprocess.PIPE)
    printed, _ = await child.communicate()
    if child.returncode:
        raise RuntimeError(f"starter.py {' '.join(words)} ended with {child.returncode}")
    return json.loads(printed)


def say(words: str) -> None:
    """A line about the course of things, beside the result."""
    print(words, file=sys.stderr, flush=True)
