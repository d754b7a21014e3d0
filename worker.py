"""A worker process: it reads the environment and serves queues until it is told to stop.

    worker.py --queues studio,kling,media,gpu
    worker.py --migrate longtake_app      brings the database to today's schema, as its owner, and ends

On SIGTERM or SIGINT all its queues stop polling at once; it exits when the running activities have ended, or when
their queue's grace period is over.
"""

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import PollerBehaviorAutoscaling, Worker

from activities._failures import Failures
from activities._scratch import keep_sweeping
from activities.records import RECORDING
from composition import SERVINGS, Serving, Tools, new_gate
from studio.ending import run_and_leave
from studio.errors import DatabaseUnavailable, StudioError
from studio.logs import hider, set_up_logs
from studio.objects.store import open_store
from studio.secrets import keep_secret
from studio.settings import Environment, Settings, SettingsInvalid
from studio.store.migrate import migrate
from studio.store.pool import Database, open_database
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.connection import connect, ensure_search_attributes
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.policies import GRACE

_log = structlog.get_logger()

STICKY = timedelta(seconds=3)
"""How long a workflow waits for the process that knew it before any other may take it: a kill costs so much."""
HEARTBEAT_THROTTLE = timedelta(seconds=2)
"""Heartbeats go out at least so often; a cancellation comes back with one."""
DATABASE_RETRY_SECONDS = 3
"""Pause between tries to reach a database that is down when a worker starts."""


async def prepare_database(database: Database) -> None:
    """Bring it to today's schema; one that is down is waited for, and so is its owner where our role owns nothing."""
    while True:
        try:
            await migrate(database)
            return
        except DatabaseUnavailable as error:
            _log.warning("database.unavailable", error=str(error))
            await asyncio.sleep(DATABASE_RETRY_SECONDS)


async def prepare(tools: Tools) -> None:
    """What else has to be there before a video can start: the search attributes, the gate."""
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
    keep_secret(settings.secrets())
    async with AsyncExitStack() as stack:
        database = open_database(settings.database_dsn(), connections=settings.database_connections)
        tools = Tools(
            settings=settings,
            temporal=temporal,
            database=await stack.enter_async_context(database),
            objects=open_store(settings.store_place()),
            stack=stack,
        )
        if {TaskQueue.STUDIO, TaskQueue.GPU} & set(queues):
            await prepare_database(tools.database)
        if TaskQueue.STUDIO in queues:
            await prepare(tools)
        await stack.enter_async_context(_beside(keep_sweeping(settings.work_dir, tools.objects)))
        workers: list[Worker] = []
        for queue in _with_company(queues, settings):
            serving = await SERVINGS[queue](tools)
            if serving.beside is not None:
                await stack.enter_async_context(_beside(serving.beside()))
            workers.append(await stack.enter_async_context(_worker(tools, queue, serving)))
        stack.push_async_callback(_stop_polling, workers)
        yield


async def _stop_polling(workers: Sequence[Worker]) -> None:
    """Shut all workers down at once. One after the other, the last would poll for minutes and take paid orders."""
    await asyncio.gather(*(worker.shutdown() for worker in workers))


@asynccontextmanager
async def _beside(errand: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Do this for as long as the block lasts."""
    task = asyncio.create_task(errand)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _worker(tools: Tools, queue: TaskQueue, serving: Serving) -> Worker:
    return Worker(
        tools.temporal,
        task_queue=queue,
        workflows=serving.workflows,
        activities=serving.activities,
        interceptors=[Failures(hider(tools.settings.secrets()), endless=RECORDING)],
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE[queue],
        **{"max_heartbeat_throttle_interval": HEARTBEAT_THROTTLE} | serving.options,
    )


async def migrate_as_owner(settings: Environment, app_role: str) -> None:
    """Bring the schema up to date, and let the role of workers and gateway read and write its tables.

    Raises:
        StudioError: PostgreSQL does not answer, or refuses.
    """
    async with open_database(settings.database_dsn(), connections=1) as database:
        applied = await migrate(database, app_role=app_role)
    _log.info("database.migrated", applied=applied, app_role=app_role)


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
    for empty in set(queues) - SERVINGS.keys():
        _log.warning("queue.empty", queue=empty, reason="nothing runs there in this version")
    return [queue for queue in dict.fromkeys([*queues, *company]) if queue in SERVINGS]


def main() -> None:
    """Read the command line and the environment, then serve."""
    parser = argparse.ArgumentParser(description="A Longtake worker process.")
    parser.add_argument("--queues", default="studio,kling,media", help=f"comma separated: {', '.join(SERVINGS)}")
    parser.add_argument(
        "--migrate",
        metavar="ROLE",
        help="bring the database to today's schema, let ROLE use its tables, and end; DATABASE_URL names its owner",
    )
    given = parser.parse_args()
    if given.migrate:
        return _migrate(given.migrate)
    names = [name.strip() for name in given.queues.split(",")]
    if unknown := set(names) - set(TaskQueue):
        parser.error(f"no queue is called {', '.join(sorted(unknown))}; there are {', '.join(TaskQueue)}")
    queues = [TaskQueue(name) for name in names]
    try:
        settings = Settings.from_env()
        if TaskQueue.KLING in queues:
            settings.needs(kie_api_key="the queue kling orders clips with it")
            settings.callback_addresses()
    except SettingsInvalid as error:
        sys.exit(str(error))
    set_up_logs(level=settings.log_level, style=settings.log_format, hide=hider(settings.secrets()))
    asyncio.run(run(settings, queues))


def _migrate(app_role: str) -> None:
    try:
        settings = Environment.from_env()
        set_up_logs(level=settings.log_level, style=settings.log_format, hide=hider(settings.secrets()))
        keep_secret(settings.secrets())
        asyncio.run(migrate_as_owner(settings, app_role))
    except (SettingsInvalid, StudioError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    run_and_leave(main)
