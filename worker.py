"""A worker process: the one place that reads the environment, opens clients and builds activity classes.

    worker.py --queues studio,kling,media,gpu

It ends on SIGTERM or SIGINT, after the activities that are running.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from activities._failures import Failures
from activities._scratch import sweep_scratch
from activities.animatic import AnimaticActivities
from activities.gatekeeping import GateActivities, GateOpeningActivities, Slots
from activities.hosting import HostingActivities, SignedStills, StillHost, UploadedStills
from activities.intake import IntakeActivities
from activities.keeping import KeepingActivities
from activities.kling import KlingActivities
from activities.kling_pace import KlingPace
from activities.media import MediaActivities
from activities.notices import NoticeActivities
from activities.records import RecordActivities
from studio.contracts.gate import GateState
from studio.ending import run_and_leave
from studio.errors import DatabaseUnavailable
from studio.logs import hider, set_up_logs
from studio.objects.store import ObjectStore, open_store
from studio.providers.catbox import open_catbox
from studio.providers.files import FileClient
from studio.providers.kie import KieClient, open_kie
from studio.providers.notion import NotionClient, open_notion
from studio.settings import Settings, SettingsInvalid, plain
from studio.store.costs import CostStore
from studio.store.films import FilmStore
from studio.store.migrate import migrate
from studio.store.pool import Database, open_database
from studio.store.submissions import SubmissionLedger
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.connection import connect, ensure_search_attributes
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.notice import NoticeWorkflow
from workflows_temporal.policies import KLING_LEASE
from workflows_temporal.video import VideoWorkflow

_log = structlog.get_logger()

STICKY = timedelta(seconds=3)
"""How long a workflow waits for the process that knew it before any other may take it: a kill costs so much."""
HEARTBEAT_THROTTLE = timedelta(seconds=2)
"""Heartbeats go out at least so often; a cancellation comes back with one."""
PATIENCE = timedelta(seconds=90)
"""How long a stopping worker lets its activities finish: longer than the longest order."""
DATABASE_RETRY_SECONDS = (1, 2, 5, 10, 30)
"""Pauses between tries to reach a database that is down when a worker starts."""


@dataclass
class Serving:
    """What one queue is served with."""

    activities: list[Callable[..., Any]]
    workflows: list[type] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tools:
    """What every queue needs, opened."""

    settings: Settings
    temporal: Client
    database: Database
    objects: ObjectStore
    stack: AsyncExitStack

    @property
    def ledger(self) -> SubmissionLedger:
        """The ledger of orders."""
        return SubmissionLedger(self.database)


async def serve_studio(tools: Tools) -> Serving:
    """Workflows, records, short errands. It needs no key of anybody."""
    ledger, settings = tools.ledger, tools.settings
    notion = await open_notices(tools)
    intake = IntakeActivities(tools.objects)
    records = RecordActivities(FilmStore(tools.database), CostStore(tools.database), ledger)
    keeping = await _keeping(tools)
    gates = GateOpeningActivities(tools.temporal, new=new_gate(settings))
    notices = NoticeActivities(tools.temporal, notion)
    return Serving(
        workflows=[VideoWorkflow, GateWorkflow, NoticeWorkflow],
        activities=[
            intake.check_film,
            records.open_film,
            records.set_film_status,
            records.record_clips,
            records.book_costs,
            records.close_film,
            keeping.remove_unfinished,
            gates.open_gate,
            notices.post_notice,
        ],
        options={"workflow_task_poller_behavior": PollerBehaviorAutoscaling()},
    )


async def serve_kling(tools: Tools) -> Serving:
    """Requests that count against our key; the only queue whose workers have it."""
    settings = tools.settings
    settings.needs(kie_api_key="the queue kling orders clips with it")
    kie = await tools.stack.enter_async_context(
        open_kie(
            key=plain(settings.kie_api_key) or "",
            api_url=str(settings.kie_api_url),
            upload_url=str(settings.kie_upload_url),
        )
    )
    pace = KlingPace(
        look_min=timedelta(seconds=settings.kling_look_min_seconds),
        look_max=timedelta(seconds=settings.kling_look_max_seconds),
        speed=settings.kie_speed,
    )
    hosting = HostingActivities(await _still_host(tools, kie))
    kling = KlingActivities(kie, tools.ledger, Slots(tools.temporal), pace=pace)
    longest = pace.longest_clip / pace.speed
    gates = GateActivities(tools.temporal, tools.ledger, kie, longest_clip=longest)
    return Serving(
        activities=[
            hosting.host_image,
            kling.check_account,
            kling.submit_clip,
            kling.await_clip,
            kling.renew_link,
            gates.find_gone_holders,
        ],
        options={"max_task_queue_activities_per_second": settings.kling_calls_per_second or None},
    )


async def serve_media(tools: Tools) -> Serving:
    """This machine's cores."""
    work_dir = tools.settings.work_dir
    media = MediaActivities(tools.objects, work_dir=work_dir)
    animatic = AnimaticActivities(tools.objects, work_dir=work_dir)
    keeping = await _keeping(tools)
    return Serving(
        activities=[keeping.keep_clip, media.join_clips, media.make_contact_sheet, animatic.draw_clip],
        options={"max_concurrent_activities": tools.settings.media_slots},
    )


async def serve_notices(tools: Tools) -> Serving:
    """Requests that count against our integration at Notion, over all workers."""
    notices = NoticeActivities(tools.temporal, await open_notices(tools))
    return Serving(
        activities=[notices.set_notion_status],
        options={"max_task_queue_activities_per_second": tools.settings.notion_calls_per_second},
    )


SERVINGS = {
    TaskQueue.STUDIO: serve_studio,
    TaskQueue.KLING: serve_kling,
    TaskQueue.MEDIA: serve_media,
    TaskQueue.NOTICES: serve_notices,
}


def new_gate(settings: Settings) -> GateState:
    """How a gate begins. One that runs keeps what it was told since."""
    return GateState(
        limit=settings.kling_slots,
        pace=settings.kling_orders_per_window,
        pace_seconds=10 / settings.kie_speed,
        lease_seconds=KLING_LEASE.total_seconds(),
    )


async def open_notices(tools: Tools) -> NotionClient | None:
    """Notion, when there is a token."""
    settings = tools.settings
    if settings.notion_token is None:
        return None
    return await tools.stack.enter_async_context(
        open_notion(
            token=plain(settings.notion_token) or "",
            url=str(settings.notion_api_url),
            property_name=settings.notion_property,
            kind=settings.notion_property_kind,
        )
    )


async def _keeping(tools: Tools) -> KeepingActivities:
    files = FileClient(await tools.stack.enter_async_context(httpx.AsyncClient()))
    return KeepingActivities(tools.objects, files, tools.ledger, work_dir=tools.settings.work_dir)


async def _still_host(tools: Tools, kie: KieClient) -> StillHost:
    settings = tools.settings
    match settings.still_host:
        case "s3":
            return SignedStills(tools.objects)
        case "catbox":
            catbox = open_catbox(url=str(settings.catbox_url), userhash=plain(settings.catbox_userhash) or "")
            return UploadedStills(tools.objects, await tools.stack.enter_async_context(catbox))
    return UploadedStills(tools.objects, kie)


async def prepare(tools: Tools) -> None:
    """What has to be there before a film can start: the schema, the search attributes, the gate."""
    for pause in [*DATABASE_RETRY_SECONDS, *[DATABASE_RETRY_SECONDS[-1]] * 1_000_000]:
        try:
            await migrate(tools.database)
            break
        except DatabaseUnavailable as error:
            _log.warning("database.unavailable", error=str(error), retry_seconds=pause)
            await asyncio.sleep(pause)
    await ensure_search_attributes(tools.temporal)
    await tools.temporal.start_workflow(
        GateWorkflow.run,
        new_gate(tools.settings),
        id=KLING_GATE_ID,
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
    )


@asynccontextmanager
async def working(settings: Settings, queues: Sequence[TaskQueue], temporal: Client) -> AsyncIterator[None]:
    """Serve the queues for as long as the block lasts."""
    async with AsyncExitStack() as stack:
        database = open_database(str(settings.database_url), connections=settings.database_connections)
        tools = Tools(
            settings=settings,
            temporal=temporal,
            database=await stack.enter_async_context(database),
            objects=open_store(settings.store_place()),
            stack=stack,
        )
        if TaskQueue.STUDIO in queues:
            await prepare(tools)
        sweep_scratch(settings.work_dir)
        for queue in _with_company(queues, settings):
            await stack.enter_async_context(_worker(tools, queue, await SERVINGS[queue](tools)))
        yield


def _worker(tools: Tools, queue: TaskQueue, serving: Serving) -> Worker:
    return Worker(
        tools.temporal,
        task_queue=queue,
        workflows=serving.workflows,
        activities=serving.activities,
        interceptors=[Failures(hider(tools.settings.secrets()))],
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        sticky_queue_schedule_to_start_timeout=STICKY,
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        graceful_shutdown_timeout=PATIENCE,
        **serving.options,
    )


async def run(settings: Settings, queues: Sequence[TaskQueue]) -> None:
    """Serve the queues until a signal comes."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    temporal = await connect(**settings.temporal(), metrics_address=settings.metrics_address)
    async with working(settings, queues, temporal):
        _log.info("worker.ready", queues=list(queues))
        print("ready", flush=True)
        await stopping.wait()
        _log.info("worker.stopping", queues=list(queues))


def _with_company(queues: Sequence[TaskQueue], settings: Settings) -> list[TaskQueue]:
    """Notices travel with the studio, where there is a Notion to tell."""
    company = [TaskQueue.NOTICES] if TaskQueue.STUDIO in queues and settings.notion_token else []
    return list(dict.fromkeys([*queues, *company]))


def main() -> None:
    """Read the command line and the environment, then serve."""
    parser = argparse.ArgumentParser(description="A Longtake worker process.")
    parser.add_argument("--queues", default="studio,kling,media", help=f"comma separated: {', '.join(SERVINGS)}")
    try:
        queues = [TaskQueue(name.strip()) for name in parser.parse_args().queues.split(",")]
        settings = Settings.from_env()
        if TaskQueue.KLING in queues:
            settings.needs(kie_api_key="the queue kling orders clips with it")
    except (ValueError, SettingsInvalid) as error:
        sys.exit(str(error))
    set_up_logs(level=settings.log_level, style=settings.log_format, hide=hider(settings.secrets()))
    asyncio.run(run(settings, queues))


if __name__ == "__main__":
    run_and_leave(main)
