"""The embedded stack: Temporal, PostgreSQL, the KIE simulator and workers, as processes of our own."""

import asyncio
import fcntl
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from local.postgres import Postgres, start_postgres
from local.processes import Process, ProcessFailed, spawn
from local.temporal_server import TemporalServer, start_temporal

ROOT = Path(__file__).resolve().parent.parent
ADDRESSES = "stack.json"
"""In the data directory while a stack runs: how to reach it."""
USUAL_TEMPORAL_PORT, USUAL_UI_PORT = 7233, 8233

_COMFYUI_PORTS = {"port": "api_url", "admin_port": "admin_url"}

WORKERS: Mapping[str, str] = {"studio": "studio,kling", "media": "media"}
"""The worker processes a stack starts: name → queues."""


@dataclass(frozen=True)
class StackOptions:
    """What kind of stack."""

    data: Path
    simulate: bool = True
    """Start the KIE simulator."""
    callbacks: bool = True
    """Start the gateway, for the simulator to call back; the real provider could not reach it here."""
    order: bool = True
    """Serve orders at KIE.ai, the simulated or the real one. Without it only the local renderer makes clips."""
    speed: float = 1.0
    """How much faster than real the simulated provider's clock runs."""
    kie: Mapping[str, Any] = field(default_factory=dict)
    """Further configuration of the simulator."""
    gpus: int = 0
    """Simulated ComfyUI servers, each with a worker process of its own."""
    comfyui: Mapping[str, Any] = field(default_factory=dict)
    """Further configuration of these servers."""
    comfyui_servers: Sequence[str] = ()
    """Addresses of real ComfyUI servers, each with a worker process of its own; instead of simulated ones."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Further settings of the workers."""
    workers: Mapping[str, str] = field(default_factory=lambda: dict(WORKERS))
    fixed_ports: bool = True
    """Take Temporal's usual ports when they are free, so that people find the web UI where they expect it."""


class Stack:
    """A running stack."""

    def __init__(self, options: StackOptions) -> None:
        self.options = options
        self.data = options.data.resolve()
        self.logs = self.data / "logs"
        self.workers: dict[str, Process] = {}
        self.kie: dict[str, str] = {}
        self.comfyui: dict[str, Process] = {}
        self.comfyui_urls: dict[str, dict[str, str]] = {}
        self._temporal: TemporalServer | None = None
        self._postgres: Postgres | None = None
        self._simulator: Process | None = None
        self._gateway: Process | None = None
        self._gateway_url = ""
        self._database_url = ""

    @property
    def temporal(self) -> TemporalServer:
        """The Temporal server."""
        assert self._temporal is not None
        return self._temporal

    @property
    def postgres(self) -> Postgres:
        """The PostgreSQL server."""
        assert self._postgres is not None
        return self._postgres

    @property
    def environment(self) -> dict[str, str]:
        """The settings under which workers and the command line reach this stack."""
        settings = {
            "TEMPORAL_ADDRESS": self.temporal.address,
            "TEMPORAL_NAMESPACE": "default",
            "DATABASE_URL": self._database_url,
            "OBJECT_STORE_URL": (self.data / "objects").as_uri(),
            "WORK_DIR": str(self.data / "work"),
        }
        if self.kie:
            settings |= {
                "KIE_API_KEY": "sim-key",
                "KIE_API_URL": self.kie["api_url"],
                "KIE_UPLOAD_URL": self.kie["upload_url"],
                "KIE_SPEED": str(self.options.speed),
            }
        if self.comfyui_urls:
            settings["COMFYUI_URL"] = next(iter(self.comfyui_urls.values()))["api_url"]
        if self._gateway_url:
            settings["KIE_CALLBACK_URL"] = self._gateway_url
            settings["CALLBACK_SECRET"] = _kept_secret(self.data / "callback-secret")
        return settings | dict(self.options.settings)

    async def start_worker(self, name: str, queues: str | None = None, **settings: str) -> Process:
        """Start a worker process and wait until it serves."""
        queues = queues or self._queues(name)
        process = await spawn(
            f"worker {name}",
            [sys.executable, ROOT / "worker.py", "--queues", queues],
            log=self.logs / f"worker-{name}.log",
            env=self.environment | settings,
            listen=True,
        )
        self.workers[name] = process
        await _first_line(process)
        return process

    async def kill_worker(self, name: str) -> None:
        """SIGKILL a worker process."""
        await self.workers.pop(name).kill()

    async def start_comfyui(self, name: str) -> None:
        """Start a simulated ComfyUI server, on the port it had before if it had one."""
        folder = self.data / name
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = {"data": str(folder), "cache": str(self.data / "drawings")}
        known = self.comfyui_urls.get(name, {})
        config |= {key: urlsplit(known[url]).port for key, url in _COMFYUI_PORTS.items() if known}
        argv = [sys.executable, "-m", "simulators", "comfyui", "--speed", str(self.options.speed)]
        argv += ["--config", json.dumps(config | dict(self.options.comfyui))]
        server = await spawn(name, argv, log=self.logs / f"{name}.log", env={"PYTHONPATH": str(ROOT)}, listen=True)
        self.comfyui[name] = server
        self.comfyui_urls[name] = json.loads(await _first_line(server))

    async def kill_comfyui(self, name: str) -> None:
        """SIGKILL a simulated ComfyUI server: it forgets everything but its files."""
        await self.comfyui.pop(name).kill()

    async def start_gpu_worker(self, number: int) -> Process:
        """Start the worker of one ComfyUI server."""
        url = self.comfyui_urls[f"comfyui-{number}"]["api_url"]
        return await self.start_worker(f"gpu-{number}", "gpu", COMFYUI_URL=url)

    async def restart_temporal(self) -> None:
        """SIGKILL the Temporal server and start it again on its file and its ports."""
        old = self.temporal
        await old.process.kill()
        self._temporal = await start_temporal(
            self.data / "temporal", logs=self.logs, port=old.port, ui_port=old.ui_port, exact_ports=True
        )

    async def restart_postgres(self) -> None:
        """SIGKILL PostgreSQL and start it again on its cluster and its port."""
        old = self.postgres
        await old.process.kill()
        self._postgres = await start_postgres(self.data / "postgres", logs=self.logs, port=old.port)

    async def _start(self, stack: AsyncExitStack) -> None:
        stack.enter_context(_lock(self.data))
        stack.push_async_callback(self._stop_servers)
        port, ui_port = (USUAL_TEMPORAL_PORT, USUAL_UI_PORT) if self.options.fixed_ports else (None, None)
        self._temporal, self._postgres = await asyncio.gather(
            start_temporal(self.data / "temporal", logs=self.logs, port=port, ui_port=ui_port),
            start_postgres(self.data / "postgres", logs=self.logs),
        )
        self._database_url = await self.postgres.ensure_database("longtake")
        if self.options.simulate:
            await asyncio.gather(self._start_simulator(), *([self._start_gateway()] if self.options.callbacks else []))
        await asyncio.gather(*(self.start_comfyui(f"comfyui-{number + 1}") for number in range(self.options.gpus)))
        for number, url in enumerate(self.options.comfyui_servers, start=self.options.gpus + 1):
            self.comfyui_urls[f"comfyui-{number}"] = {"api_url": url}
        gpus = range(1, len(self.comfyui_urls) + 1)
        stack.push_async_callback(self._stop_workers)
        workers = [self.start_worker(name) for name in self.options.workers]
        await asyncio.gather(*workers, *map(self.start_gpu_worker, gpus))
        self._publish(stack)

    def _queues(self, name: str) -> str:
        queues = self.options.workers[name].split(",")
        return ",".join(queue for queue in queues if queue != "kling" or self.options.order)

    async def _start_simulator(self) -> None:
        argv = [sys.executable, "-m", "simulators", "kie", "--speed", str(self.options.speed)]
        # A provider never gives a task id twice; the same seed would, on data that knows the last run's tasks.
        argv += ["--seed", str(secrets.randbelow(1 << 31))]
        argv += ["--cache", str(self.data / "kie-clips"), "--config", json.dumps(dict(self.options.kie))]
        self._simulator = await spawn(
            "kie simulator", argv, log=self.logs / "kie.log", env={"PYTHONPATH": str(ROOT)}, listen=True
        )
        self.kie = json.loads(await _first_line(self._simulator))

    async def _start_gateway(self) -> None:
        argv = [sys.executable, "-m", "gateway", "--port", "0"]
        secret = _kept_secret(self.data / "callback-secret")
        env = self.environment | {"PYTHONPATH": str(ROOT), "CALLBACK_SECRET": secret}
        self._gateway = await spawn("gateway", argv, log=self.logs / "gateway.log", env=env, listen=True)
        self._gateway_url = json.loads(await _first_line(self._gateway))["gateway_url"]

    def _publish(self, stack: AsyncExitStack) -> None:
        path = self.data / ADDRESSES
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.environment | {"ui_url": self.temporal.ui_url, "pid": os.getpid()}, indent=1))
        stack.callback(path.unlink, missing_ok=True)

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))

    async def _stop_servers(self) -> None:
        for process in (self._simulator, self._gateway, *self.comfyui.values()):
            if process is not None:
                await process.stop()
        if self._temporal is not None:
            await self._temporal.process.stop()
        if self._postgres is not None:
            await self._postgres.stop()


@asynccontextmanager
async def running_stack(options: StackOptions) -> AsyncIterator[Stack]:
    """A stack for as long as the block lasts; everything it started is stopped at the end.

    Raises:
        ProcessFailed: something did not start, or another stack runs on the same data directory.
    """
    running = Stack(options)
    async with AsyncExitStack() as stack:
        await running._start(stack)
        yield running


def read_addresses(data: Path) -> dict[str, str]:
    """The settings of the stack that runs on `data`; empty when none does."""
    try:
        found = json.loads((data / ADDRESSES).read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if name.isupper() and isinstance(value, str)}


async def _first_line(process: Process, *, seconds: float = 60) -> str:
    try:
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
    except TimeoutError:
        line = b""
    if not line:
        raise ProcessFailed(f"{process.name} did not start:\n{process.last_words()}")
    return line.decode()


def _kept_secret(path: Path) -> str:
    """A secret of this data directory, made once: orders of yesterday may still be called back about."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def _lock(data: Path) -> IO[str]:
    """Hold the data directory for ourselves."""
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)  # it holds passwords, stills and films
    file = (data / ".lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise ProcessFailed(f"another stack runs on {data}") from None
    return file
