"""`starter.py …` as people and scripts call it."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from local.addresses import ADDRESSES
from local.stack import ROOT
from tests.command_line import Done, run_command
from tests.studio_at_work import StudioAtWork

HANG_GUARD = 250

Starter = Callable[..., Coroutine[Any, Any, Done]]


def settings_of(studio: StudioAtWork, **changes: str) -> dict[str, str]:
    """The settings of commands that find this studio."""
    return {
        "TEMPORAL_ADDRESS": studio.settings.temporal_address,
        "TEMPORAL_NAMESPACE": studio.settings.temporal_namespace,
        "DATABASE_URL": str(studio.settings.database_url),
        "OBJECT_STORE_URL": str(studio.settings.object_store_url),
    } | changes


def starter_with(settings: Mapping[str, str], data: Path, *first: str) -> Starter:
    """Calls it in this process; it finds these settings as those of a stack that runs in the folder `data`."""

    async def call(*arguments: str, **changes: str) -> Done:
        await asyncio.to_thread(_publish, data, {**settings, **changes})
        return await asyncio.to_thread(run_command, [*first, *arguments, "--data", str(data)])

    return call


def _publish(data: Path, settings: Mapping[str, str]) -> None:
    data.mkdir(exist_ok=True)
    (data / ADDRESSES).write_text(json.dumps(settings))


def process_with(settings: Mapping[str, str], no_stack: Path, *first: str) -> Starter:
    """Calls it as a process with these settings in its environment; no stack runs in the folder `no_stack`."""

    async def call(*arguments: str, **environment: str) -> Done:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(ROOT / "starter.py"),
            *first,
            *arguments,
            "--data",
            str(no_stack),
            env=os.environ | settings | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await asyncio.wait_for(process.communicate(), HANG_GUARD)
        return Done(process.returncode or 0, said.decode(), complained.decode())

    return call
