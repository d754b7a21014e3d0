"""Backup and restore as docs/operations.md has them, run word by word on another database and another folder."""

import asyncio
import os
import re
import uuid
from contextlib import AsyncExitStack
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client

from local.postgres import program
from local.stack import ROOT
from simulators.kie import KieSimulator
from studio.contracts.video import VideoStatus
from tests.databases import Databases
from tests.studio_at_work import StudioAtWork, make_studio
from workflows_temporal.connection import connect, ensure_search_attributes


def commands(name: str) -> str:
    """The commands between the marks of a part of the page."""
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- {name}: tested -->\n```\n(.+?)```", page, re.DOTALL)
    assert found
    return found[1]


async def shell(script: str, **variables: str) -> None:
    path = f"{program('pg_dump').parent}:{os.environ['PATH']}"
    process = await asyncio.create_subprocess_exec(
        *("sh", "-e", "-u", "-c", script),
        env={"PATH": path, **variables},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


async def empty_namespace(known: Client) -> Client:
    """A Temporal that knows of nothing."""
    name = f"restored-{uuid.uuid4().hex[:12]}"
    client = await connect(known.service_client.config.target_host, namespace=name)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86_400))
    )
    await ensure_search_attributes(client)
    return client


async def test_a_studio_that_was_restored_buys_nothing_again(
    studio: StudioAtWork, kie: KieSimulator, databases: Databases, tmp_path: Path
) -> None:
    request = await studio.request(clips=2, title="Before")
    before = await studio.make(request)
    backup, objects = tmp_path / "backup", tmp_path / "restored" / "objects"
    for folder in (backup / "objects", objects):
        folder.mkdir(parents=True)
    old = {"DATABASE_URL": str(studio.settings.database_url), "OBJECTS": str(studio.folder / "objects")}
    await shell(commands("backup"), BACKUP=str(backup), **old)
    await studio.close()
    empty = await databases.server.ensure_database(f"restored_{uuid.uuid4().hex[:12]}")
    await shell(commands("restore"), BACKUP=str(backup), DATABASE_URL=empty, OBJECTS=str(objects))

    async with AsyncExitStack() as stack:
        temporal = await empty_namespace(studio.temporal)
        restored = make_studio(temporal, empty, kie, tmp_path / "restored", stack)
        await restored.open()
        again = await restored.make(request)
        assert kie.ledger.accepted == 2, "the takes were found: nothing was ordered again"
        assert (again.video.sha256, again.total_cost_usd) == (before.video.sha256, before.total_cost_usd)
        (video,) = await restored.rows("select status from videos")
        assert video["status"] == VideoStatus.VIDEO_READY
