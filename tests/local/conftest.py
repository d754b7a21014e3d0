"""A process that does not listen, asked to end: that takes its time, while the other tests run."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from local.processes import Process, spawn

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"


@dataclass
class Stubborn:
    """The process, and the seconds it took to stop it."""

    process: Process
    stopping: asyncio.Task[float]


@pytest.fixture(scope="session", autouse=True)
async def stubborn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stubborn]:
    log = tmp_path_factory.mktemp("stubborn") / "deaf.log"
    process = await spawn("deaf", [sys.executable, "-c", DEAF], log=log, listen=True)
    assert await process.stdout.readline() == b"deaf\n"

    async def stop() -> float:
        began = time.monotonic()
        await process.stop(signal.SIGTERM)
        return time.monotonic() - began

    stopping = asyncio.create_task(stop())
    yield Stubborn(process, stopping)
    stopping.cancel()
    await process.kill()
