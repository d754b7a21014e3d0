"""Videos on a stack, as a backend service starts them."""

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import httpx
from PIL import Image
from temporalio.client import Client

from local.stack import Stack
from studio.contracts.clip import ClipId, ClipRequest, ClipStatus
from studio.contracts.video import VideoProgress, VideoRequest, VideoStatus
from studio.objects import keys
from studio.objects.store import ObjectStore, StorePlace, open_store
from tests.command_line import run_command
from tests.studio_at_work import HEIGHT, WIDTH, Handle, eventually, still_size
from workflows_temporal.addresses import VIDEO_STATUS, TaskQueue, video_workflow_id
from workflows_temporal.connection import connect
from workflows_temporal.video import VideoWorkflow


@dataclass
class Videos:
    """A client of a stack."""

    stack: Stack
    temporal: Client
    objects: ObjectStore

    async def start(self, video_id: str, *, clips: int, **fields: Any) -> Handle:
        """Start a video of small stills. Lost orders are not waited for unless `fields` say so."""
        fields.setdefault("unknown_wait_seconds", 0)
        path = self.stack.data / "still.png"
        await asyncio.to_thread(Image.effect_noise(still_size(WIDTH, HEIGHT), 60).convert("RGB").save, path)
        first = ClipId(channel="crash", video_id=video_id, number=1)
        still = await self.objects.put(path, keys.still_key(first, "image/png"), "image/png")
        made = [
            ClipRequest(number=n, still=still, prompt=f"Clip {n} of {video_id}. Slow dolly forward.", seconds=5)
            for n in range(1, clips + 1)
        ]
        request = VideoRequest(channel="crash", video_id=video_id, clips=made, width=WIDTH, height=HEIGHT, **fields)
        return await self.temporal.start_workflow(
            VideoWorkflow.run, request, id=video_workflow_id("crash", video_id), task_queue=TaskQueue.STUDIO
        )

    async def all_with_provider(self, handle: Handle) -> None:
        """Wait until every clip is with the provider."""

        def waiting(progress: VideoProgress) -> bool:
            return all(clip.status is ClipStatus.RENDERING for clip in progress.clips)

        await eventually(lambda: handle.query(VideoWorkflow.progress), waiting)

    async def settled(self, handle: Handle) -> VideoProgress:
        """How the video stands, once it does nothing more by itself.

        It is not asked while its worker may be new: a question then can make a history that does not replay
        (docs/decisions/0016).
        """
        ends = (VideoStatus.VIDEO_READY, VideoStatus.VIDEO_ERROR)
        await eventually(handle.describe, lambda video: video.typed_search_attributes.get(VIDEO_STATUS) in ends)
        return await handle.query(VideoWorkflow.progress)

    async def orders(self, video_id: str) -> list[dict[str, Any]]:
        """What the provider accepted for a video."""
        async with httpx.AsyncClient() as http:
            book = (await http.get(f"{self.stack.kie['admin_url']}/__sim/ledger?only=tasks")).json()
        return [cast(dict[str, Any], task) for task in book["tasks"] if f"of {video_id}." in task["prompt"]]

    async def configure(self, **config: Any) -> None:
        """Change the provider's ways."""
        async with httpx.AsyncClient() as http:
            (await http.post(f"{self.stack.kie['admin_url']}/__sim/config", json=config)).raise_for_status()

    def starter(self, *command: str) -> Any:
        """A command as a person gives it; returns what it printed as JSON."""
        done = run_command([*command, "--data", str(self.stack.data), "--json"])
        assert done.code == 0, done.stderr
        return done.json

    async def fault(self, rule: dict[str, Any]) -> None:
        """Have the provider misbehave."""
        async with httpx.AsyncClient() as http:
            (await http.post(f"{self.stack.kie['admin_url']}/__sim/faults", json=rule)).raise_for_status()


async def videos_of(stack: Stack) -> Videos:
    """A client of this stack."""
    place = StorePlace(url=stack.environment["OBJECT_STORE_URL"])
    return Videos(stack, await connect(stack.temporal.address), open_store(place))
