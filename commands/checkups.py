"""The parts an installation needs, each looked at by itself: what is there, what is missing, what to do."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue as Queue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from studio.errors import StudioError
from studio.media.formats import readable_formats, working_ffmpeg
from studio.objects.store import open_store
from studio.providers.comfyui import open_comfyui
from studio.providers.kie import open_kie
from studio.providers.kie_models import CREDIT_USD
from studio.settings import Settings, plain
from studio.store.desk import DeskStore
from studio.store.gpu_servers import GpuServerStore
from studio.store.migrate import missing_migrations
from studio.store.pool import Database
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.client import connect_caller
from workflows_temporal.gate import GateWorkflow

State = Literal["ok", "warning", "missing", "optional"]
"""`missing`: something does not work without it. `optional`: a part that is not there and that not everyone needs."""
LEAST_FREE = 5_000_000_000
"""Bytes below which a disk is called nearly full: a long video needs its clips twice."""
ANSWER = timedelta(seconds=5)
KEY_OF_REHEARSALS = "sim-key"


_MAKERS = {TaskQueue.GPU: "comfyui", TaskQueue.KLING: "kling"}


@dataclass(frozen=True)
class Finding:
    """What was seen of one part."""

    part: str
    state: State
    text: str
    """A sentence, with the next step where one is needed."""


async def of_temporal(settings: Settings) -> AsyncIterator[Finding]:
    """The server, the queues that workers serve, and the limiter in front of Kling."""
    try:
        async with asyncio.timeout(ANSWER.total_seconds()):
            client = await connect_caller(**settings.temporal())
    except (RuntimeError, TimeoutError):
        advice = "start the stack with `starter.py up`, or check TEMPORAL_ADDRESS"
        yield Finding("temporal", "missing", f"no answer at {settings.temporal_address} - {advice}")
        return
    yield Finding("temporal", "ok", f"answers at {settings.temporal_address}, namespace {settings.temporal_namespace}")
    orders = bool(plain(settings.kie_api_key))
    for queue in (TaskQueue.STUDIO, TaskQueue.KLING, TaskQueue.MEDIA, TaskQueue.GPU):
        needed = queue is not TaskQueue.GPU and (orders or queue is not TaskQueue.KLING)
        yield await _workers(client, queue, needed=needed)
    yield await _gate(client)


async def _workers(client: Client, queue: TaskQueue, *, needed: bool) -> Finding:
    part = f"worker {queue}"
    try:
        described = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=Queue(name=queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            ),
            timeout=ANSWER,
        )
    except RPCError as error:
        return Finding(part, "missing", f"Temporal does not say: {error.message}")
    names = sorted({poller.identity for poller in described.pollers})
    if names:
        return Finding(part, "ok", f"{len(names)} at work: {', '.join(names[:3])}")
    if needed:
        return Finding(part, "missing", f"none at work - start one: worker.py --queues {queue}")
    return Finding(part, "optional", f"none at work; only videos by {_MAKERS[queue]} need one")


async def _gate(client: Client) -> Finding:
    handle = client.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)
    try:
        state = await handle.query(GateWorkflow.state, rpc_timeout=ANSWER)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Finding("gate", "ok", "not there yet: the first video by kling starts it")
        return Finding("gate", "missing", "does not answer - `gate show` says what has become of it")
    if state.closed:
        return Finding("gate", "missing", f"closed: {state.closed} - then `gate resume`")
    if not state.limit:
        return Finding("gate", "warning", "lets no order in - `gate limit 5` changes that")
    return Finding("gate", "ok", f"{len(state.held)} of {state.limit} places taken, {state.waiting} wait")


async def of_database(database: Database) -> AsyncIterator[Finding]:
    """PostgreSQL, its schema, and orders that a person has to decide about."""
    try:
        async with database.transaction() as connection:
            version = await connection.fetchval("show server_version")
        missing = await missing_migrations(database)
    except StudioError as error:
        yield Finding("postgresql", "missing", f"{error} - check DATABASE_URL")
        return
    if missing:
        text = f"version {version}; {len(missing)} migrations are missing - a studio worker that starts applies them"
        yield Finding("postgresql", "missing", text)
        return
    yield Finding("postgresql", "ok", f"version {version}, its schema is today's")
    with suppress(StudioError):
        lost = await DeskStore(database).count()
        if lost.open:
            yield Finding("orders", "warning", f"{lost.open} unresolved - `lost list` shows them")
        for server in await GpuServerStore(database).there():
            state: State = "warning" if server.away else "ok"
            yield Finding(f"comfyui {server.name}", state, server.away or ("renders" if server.busy else "free"))


async def of_objects(settings: Settings) -> AsyncIterator[Finding]:
    """The object store, and room on the disks."""
    url = settings.object_store_url
    shown = f"{url.scheme}://{url.host or ''}{url.path or ''}"
    try:
        await open_store(settings.store_place()).size("doctor/no-such-object")
        yield Finding("object store", "ok", f"answers at {shown}")
    except (StudioError, OSError) as error:
        yield Finding("object store", "missing", f"{shown}: {error} - check OBJECT_STORE_URL and the S3 settings")
    places = {"work folder": settings.work_dir}
    if url.scheme == "file":
        places["object store's disk"] = Path(url.path or "/")
    for part, place in places.items():
        free = await asyncio.to_thread(_free, place)
        if free is not None:
            state: State = "warning" if free < LEAST_FREE else "ok"
            hint = " - free some: `video export` what is finished, then delete takes" if state == "warning" else ""
            yield Finding(part, state, f"{free / 1e9:,.1f} GB free at {place}{hint}")


def _free(place: Path) -> int | None:
    for folder in (place, *place.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return None


async def of_kie(settings: Settings) -> AsyncIterator[Finding]:
    """The account that pays for clips, and the gateway it calls back."""
    key = plain(settings.kie_api_key)
    if not key:
        yield Finding("kie.ai key", "optional", "none: no videos by kling - set KIE_API_KEY")
        return
    yield await _account(settings, key)
    if settings.kie_callback_url is None:
        yield Finding("callbacks", "optional", "KIE_CALLBACK_URL is not set: finished clips are noticed by looking")
        return
    parts = urlsplit(str(settings.kie_callback_url))
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if await _listens(parts.hostname or "", port):
        yield Finding("callbacks", "ok", f"something listens at {parts.hostname}:{port}")
    else:
        yield Finding("callbacks", "warning", f"nothing listens at {parts.hostname}:{port} - start `python -m gateway`")


async def _account(settings: Settings, key: str) -> Finding:
    try:
        async with open_kie(key=key, api_url=str(settings.kie_api_url)) as client:
            balance = await client.credit()
    except StudioError as error:
        return Finding("kie.ai", "missing", str(error))
    rehearsal = ", a rehearsal" if key == KEY_OF_REHEARSALS else ""
    if balance is None:
        return Finding("kie.ai", "warning", f"the key is accepted, the balance is not told{rehearsal}")
    text = f"the key is accepted; {balance:,.0f} credits, {balance * CREDIT_USD:.2f} USD{rehearsal}"
    return Finding("kie.ai", "ok", text) if balance > 0 else Finding("kie.ai", "missing", f"{text} - top it up")


async def of_optional_parts(settings: Settings | None) -> AsyncIterator[Finding]:
    """What is installed on this machine, and what is switched on."""
    try:
        yield Finding("ffmpeg", "ok", await working_ffmpeg())
    except StudioError as error:
        yield Finding("ffmpeg", "missing", f"{error} - check IMAGEIO_FFMPEG_EXE")
    formats = await asyncio.to_thread(readable_formats)
    yield Finding("stills", "ok", f"read as {', '.join(formats)}")
    if settings is None:
        return
    if settings.notion_token is None:
        yield Finding("notion", "optional", "NOTION_TOKEN is not set: statuses are not sent there")
    else:
        yield Finding("notion", "ok", "NOTION_TOKEN is set")
    try:
        async with asyncio.timeout(ANSWER.total_seconds()), open_comfyui(url=str(settings.comfyui_url)) as comfyui:
            stats = await comfyui.system_stats()
        yield Finding("comfyui", "ok", f"{stats.version or 'a server'} answers at {settings.comfyui_url}")
    except (StudioError, TimeoutError):
        yield Finding("comfyui", "optional", f"no server answers at {settings.comfyui_url}")


async def of_ports() -> AsyncIterator[Finding]:
    """Without a stack: whether one would get the usual ports."""
    for port, what in ((7233, "Temporal"), (8233, "Temporal's web UI")):
        if await _listens("127.0.0.1", port):
            text = f"{port} is taken by another program: `starter.py up` takes another one for {what}"
            yield Finding(f"port {port}", "warning", text)
        else:
            yield Finding(f"port {port}", "ok", f"free for {what}")


async def _listens(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(ANSWER.total_seconds()):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
