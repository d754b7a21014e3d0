"""A process that does not listen, asked to end: that takes its time, while the other tests run."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from local.processes import Process, spawn
from local.stack import Stack, StackOptions

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@dataclass
class Stubborn:
    """The process, and the seconds it took to stop it."""

    process: Process
    stopping: asyncio.Task[float]
    worker: Process
    """Asked to end at the same moment, as a stack asks its workers."""
    stack: Stack
    stack_stopping: asyncio.Task[None]


@pytest.fixture(scope="session", autouse=True)
async def stubborn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stubborn]:
    folder = tmp_path_factory.mktemp("stubborn")
    process, worker = [
        await spawn("deaf", [sys.executable, "-c", DEAF], log=folder / "deaf.log", listen=True) for _ in range(2)
    ]
    for deaf in (process, worker):
        assert await deaf.stdout.readline() == b"deaf\n"
    stack = Stack(StackOptions(data=folder))
    stack.adopt_worker("busy", worker)

    async def stop() -> float:
        began = time.monotonic()
        await process.stop(signal.SIGTERM)
        return time.monotonic() - began

    stack_stopping = asyncio.create_task(stack.stop_workers())
    stopping = asyncio.create_task(stop())
    yield Stubborn(process, stopping, worker, stack, stack_stopping)
    for task in (stopping, stack_stopping):
        task.cancel()
    await process.kill()
    await worker.kill()
