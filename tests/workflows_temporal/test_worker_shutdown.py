"""A worker process that is told to end: all its queues stop polling at once, and what runs is finished."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from local.processes import Process, spawn
from local.stack import ROOT
from simulators.kie import KieSimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId, Framing, HostedStill, StillToHost
from studio.contracts.gate import GateName, Ticket
from studio.contracts.video import StatusRecord, VideoStatus
from studio.objects import keys
from studio.objects.store import StorePlace, open_store
from tests.studio_at_work import eventually, still_size
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue

CLIP = ClipId(channel="poke1", video_id="vid_1", number=1)
ADDRESS = "https://files.example/still.png"


@workflow.defn(sandboxed=False)
class Bystander:
    """Schedules activities by name, as it is told, and returns the result of the first."""

    def __init__(self) -> None:
        self._running: list[asyncio.Task[Any]] = []

    @workflow.run
    async def run(self) -> HostedStill:
        await workflow.wait_condition(lambda: bool(self._running))
        return HostedStill.model_validate(await self._running[0])

    @workflow.signal
    def begin(self, name: str, queue: str, argument: dict[str, Any]) -> None:
        self._running.append(
            workflow.start_activity(
                name,
                argument,
                task_queue=queue,
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        )


class HeldUpload:
    """A host for stills that takes an upload and answers when the test lets it."""

    def __init__(self) -> None:
        self.arrived, self.answer = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.arrived.set()
        await self.answer.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + ADDRESS.encode())
        await writer.drain()
        writer.close()


async def test_three_queues_stop_polling_at_once_on_sigterm_and_a_long_upload_is_finished(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> None:
    upload, log = HeldUpload(), tmp_path / "worker.log"
    async with upload.listening() as host, _bystander(temporal) as handle:
        worker = await _worker_process(temporal, database_url, kie, tmp_path, log, host)
        await handle.signal(
            "begin", args=["host_image", TaskQueue.KLING, (await _still(tmp_path)).model_dump(mode="json")]
        )
        await upload.arrived.wait()
        ending = asyncio.create_task(worker.stop())
        await eventually(lambda: _lines(log, "Beginning worker shutdown"), lambda count: count == 3)
        name = StatusRecord(channel="poke1", video_id="none", status=VideoStatus.QUEUED, message="", revision=1)
        gate = GateName(gate=KLING_GATE_ID)
        await handle.signal("begin", args=["set_video_status", TaskQueue.STUDIO, name.model_dump(mode="json")])
        await handle.signal("begin", args=["check_account", TaskQueue.KLING, gate.model_dump(mode="json")])
        await handle.signal("begin", args=["draw_clip", TaskQueue.MEDIA, {}])
        await eventually(lambda: _pending(handle), lambda pending: len(pending) == 4)
        upload.answer.set()
        await ending
        assert (await handle.result()).url == ADDRESS
        assert await _unstarted(handle) == {"set_video_status", "check_account", "draw_clip"}


async def _lines(log: Path, words: str) -> int:
    return (await asyncio.to_thread(log.read_text)).count(words)


async def _pending(handle: WorkflowHandle[Any, HostedStill]) -> list[Any]:
    return list((await handle.describe()).raw_description.pending_activities)


async def _unstarted(handle: WorkflowHandle[Any, HostedStill]) -> set[str]:
    """Activities that were scheduled and that no worker has started."""
    scheduled: dict[int, str] = {}
    async for event in handle.fetch_history_events():
        if event.HasField("activity_task_scheduled_event_attributes"):
            scheduled[event.event_id] = event.activity_task_scheduled_event_attributes.activity_type.name
        if event.HasField("activity_task_started_event_attributes"):
            del scheduled[event.activity_task_started_event_attributes.scheduled_event_id]
    return set(scheduled.values())


@asynccontextmanager
async def _bystander(temporal: Client) -> AsyncIterator[WorkflowHandle[Bystander, HostedStill]]:
    queue = "bystander"
    async with Worker(temporal, task_queue=queue, workflows=[Bystander]):
        yield await temporal.start_workflow(Bystander.run, id="bystander", task_queue=queue)


async def _still(folder: Path) -> StillToHost:
    path = folder / "still.png"
    Image.new("RGB", still_size(16, 9), "teal").save(path)  # small: the host reads no more than the first bytes
    still: MediaRef = await open_store(StorePlace(url=f"file://{folder / 'objects'}")).put(
        path, keys.still_key(CLIP, "image/png"), "image/png"
    )
    ticket = Ticket(
        name="t", workflow_id="video/poke1/vid_1", first_run_id="r", channel="poke1", video_id="vid_1", number=1
    )
    return StillToHost(clip=CLIP, still=still, framing=Framing(width=16, height=9), gate=KLING_GATE_ID, ticket=ticket)


async def _worker_process(
    temporal: Client, database_url: str, kie: KieSimulator, folder: Path, log: Path, host: str
) -> Process:
    environment = {
        "TEMPORAL_ADDRESS": temporal.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": temporal.namespace,
        "DATABASE_URL": database_url,
        "OBJECT_STORE_URL": f"file://{folder / 'objects'}",
        "WORK_DIR": str(folder / "work"),
        "KIE_API_KEY": "sim-key",
        "KIE_API_URL": kie.api_url,
        "KIE_UPLOAD_URL": kie.upload_url,
        "STILL_HOST": "catbox",
        "CATBOX_URL": host,
    }
    argv: list[str | Path] = [sys.executable, ROOT / "worker.py", "--queues", "studio,kling,media"]
    worker = await spawn("worker", argv, log=log, env=environment, listen=True)
    assert await worker.stdout.readline() == b"ready\n", worker.last_words()
    return worker
