"""The embedded stack: Temporal, PostgreSQL, the KIE simulator and workers, as processes of our own."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local.addresses import ADDRESSES, PORTS, DataDirectory, Ports
from local.postgres import Postgres, start_postgres
from local.processes import Process, ProcessFailed, spawn
from local.supervisor import Child
from local.temporal_server import TemporalServer, start_temporal
from studio.settings import GatewaySettings
from workflows_temporal.policies import GRACE

ROOT = Path(__file__).resolve().parent.parent
USUAL_TEMPORAL_PORT, USUAL_UI_PORT = 7233, 8233

_COMFYUI_PORTS = ("port", "admin_port")
_KIE_PORTS = ("port", "upload_port", "files_port", "admin_port")
WORKER_STOP_SECONDS = max(grace.total_seconds() for grace in GRACE.values()) + 15.0
"""How long a worker may take to end before it is killed: the longest grace period of a queue, for an order that is
being sent must not be cut off, and some seconds to close its connections."""
TEMPORAL, POSTGRES, KIE, GATEWAY = "Temporal", "PostgreSQL", "KIE.ai simulator", "gateway"

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
        self.children: dict[str, Child] = {}
        """Every process by its name, and how it is started again."""
        self.notes: list[str] = []
        """Sentences about what is not as usual: a port that another program has."""
        self._directory = DataDirectory(self.data)
        self._temporal: TemporalServer | None = None
        self._postgres: Postgres | None = None
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
            settings["CALLBACK_SECRET"] = self._directory.secret("callback-secret")
        return settings | dict(self.options.settings)

    async def start_worker(self, name: str, queues: str | None = None, **settings: str) -> Process:
        """Start a worker process and wait until it serves."""
        queues = queues or self._queues(name)

        async def start() -> Process:
            process = await self._spawn(
                f"worker {name}",
                [sys.executable, ROOT / "worker.py", "--queues", queues],
                log=self.logs / f"worker-{name}.log",
                env={**os.environ, **self.environment, **settings},
            )
            self.adopt_worker(name, process)
            await _first_line(process)
            return process

        return await self._add(f"worker {name}", start, needs=(TEMPORAL, POSTGRES))

    def adopt_worker(self, name: str, process: Process) -> None:
        """Stop this process as a worker when the workers are stopped."""
        self.workers[name] = process

    async def kill_worker(self, name: str) -> None:
        """SIGKILL a worker process. It is not started again."""
        self.children.pop(f"worker {name}", None)
        await self.workers.pop(name).kill()

    async def start_comfyui(self, name: str) -> None:
        """Start a simulated ComfyUI server, on the port it had before if it had one."""
        folder = self.data / name
        folder.mkdir(parents=True, exist_ok=True)
        known = self.comfyui_urls.get(name)
        config: dict[str, Any] = {"data": str(folder), "cache": str(self.data / "drawings")}
        config |= _ports_of(known) if known else {key: self._ports.take(f"{name} {key}") for key in _COMFYUI_PORTS}
        argv = [sys.executable, "-m", "simulators", "comfyui", "--speed", str(self.options.speed)]
        argv += ["--config", json.dumps(config | dict(self.options.comfyui))]

        async def start() -> Process:
            server = await self._spawn(name, argv, log=self.logs / f"{name}.log", env=_simulator_environment())
            self.comfyui[name] = server
            self.comfyui_urls[name] = json.loads(await _first_line(server))
            return server

        await self._add(name, start)

    async def kill_comfyui(self, name: str) -> None:
        """SIGKILL a simulated ComfyUI server: it forgets everything but its files. It is not started again."""
        self.children.pop(name, None)
        await self.comfyui.pop(name).kill()

    async def start_gpu_worker(self, number: int) -> Process:
        """Start the worker of one ComfyUI server."""
        url = self.comfyui_urls[f"comfyui-{number}"]["api_url"]
        return await self.start_worker(f"gpu-{number}", "gpu", COMFYUI_URL=url)

    async def restart_temporal(self) -> Process:
        """SIGKILL the Temporal server and start it again on its file and its ports."""
        old = self.temporal
        await old.process.kill()
        return await self._start_temporal(old.port, old.ui_port)

    async def restart_postgres(self) -> Process:
        """SIGKILL PostgreSQL and start it again on its cluster and its port."""
        old = self.postgres
        await old.process.kill()
        return await self._start_postgres(old.port)

    def hurry(self) -> None:
        """Kill what has been asked to end and has not done so yet."""
        for process in (*self.workers.values(), *(child.process for child in self.children.values())):
            process.kill_now()

    async def _start(self, stack: AsyncExitStack) -> None:
        stack.enter_context(self._directory.hold())
        children_lock = stack.enter_context(await self._directory.wait_for_predecessors())
        assert not children_lock.closed
        self._ports = ports = Ports(self.data / PORTS)
        stack.callback(ports.release)
        stack.push_async_callback(self._stop_servers)
        port, ui_port = (USUAL_TEMPORAL_PORT, USUAL_UI_PORT) if self.options.fixed_ports else (None, None)
        await asyncio.gather(
            self._add(
                TEMPORAL,
                lambda: self._start_temporal(ports.take("Temporal", port), ports.take("web UI", ui_port)),
                self.restart_temporal,
                vital=True,
            ),
            self._add(
                POSTGRES,
                lambda: self._start_postgres(ports.take("PostgreSQL")),
                self.restart_postgres,
                vital=True,
            ),
        )
        self._database_url = await self.postgres.ensure_database("longtake")
        if self.options.simulate:
            await asyncio.gather(self._start_simulator(), *([self._start_gateway()] if self.options.callbacks else []))
        await asyncio.gather(*(self.start_comfyui(f"comfyui-{number + 1}") for number in range(self.options.gpus)))
        for number, url in enumerate(self.options.comfyui_servers, start=self.options.gpus + 1):
            self.comfyui_urls[f"comfyui-{number}"] = {"api_url": url}
        gpus = range(1, len(self.comfyui_urls) + 1)
        stack.push_async_callback(self.stop_workers)
        workers = [self.start_worker(name) for name in self.options.workers]
        await asyncio.gather(*workers, *map(self.start_gpu_worker, gpus))
        ports.remember()
        self.notes += ports.moved
        self._directory.publish(self.environment, self.temporal.ui_url)
        stack.callback((self.data / ADDRESSES).unlink, missing_ok=True)

    async def _add(
        self,
        name: str,
        start: Callable[[], Awaitable[Process]],
        restart: Callable[[], Awaitable[Process]] | None = None,
        *,
        needs: tuple[str, ...] = (),
        vital: bool = False,
    ) -> Process:
        process = await start()
        self.children[name] = Child(name, process, restart or start, needs, vital)
        return process

    async def _spawn(self, name: str, argv: Sequence[str | Path], *, log: Path, env: Mapping[str, str]) -> Process:
        return await spawn(name, argv, log=log, env=env, listen=True, holding=self._holding)

    @property
    def _holding(self) -> list[int]:
        return [self._directory.held_by_children]

    def _queues(self, name: str) -> str:
        queues = self.options.workers[name].split(",")
        return ",".join(queue for queue in queues if queue != "kling" or self.options.order)

    async def _start_temporal(self, port: int, ui_port: int) -> Process:
        self._temporal = await start_temporal(
            self.data / "temporal",
            logs=self.logs,
            port=port,
            ui_port=ui_port,
            exact_ports=True,
            holding=self._holding,
        )
        return self._temporal.process

    async def _start_postgres(self, port: int) -> Process:
        self._postgres = await start_postgres(self.data / "postgres", logs=self.logs, port=port, holding=self._holding)
        return self._postgres.process

    async def _start_simulator(self) -> None:
        ports = {key: self._ports.take(f"{KIE} {key}") for key in _KIE_PORTS}
        # Its ledger lies in our data: videos whose clips it makes go on when the stack is started again.
        config = {"data": str(self.data / "kie"), "persist": True, "cache": str(self.data / "kie-clips"), **ports}
        credits = {"top_up": True} | dict(self.options.kie)

        async def start(**more: Any) -> Process:
            argv = [sys.executable, "-m", "simulators", "kie", "--speed", str(self.options.speed)]
            # A provider never gives a task id twice; the same seed would, on data that knows the last run's tasks.
            argv += ["--seed", str(secrets.randbelow(1 << 31)), "--config", json.dumps({**config, **more})]
            simulator = await self._spawn(KIE, argv, log=self.logs / "kie.log", env=_simulator_environment())
            self.kie = json.loads(await _first_line(simulator))
            return simulator

        await self._add(KIE, lambda: start(**credits), lambda: start(**self.options.kie))

    async def _start_gateway(self) -> None:
        port = self._ports.take("gateway")
        secret = self._directory.secret("callback-secret")

        async def start() -> Process:
            argv = [sys.executable, "-m", "gateway", "--port", str(port)]
            settings = {**os.environ, **self.environment, "CALLBACK_SECRET": secret}
            env = {"PYTHONPATH": str(ROOT)} | _read_by(GatewaySettings, settings)
            gateway = await self._spawn(GATEWAY, argv, log=self.logs / "gateway.log", env=env)
            self._gateway_url = json.loads(await _first_line(gateway))["gateway_url"]
            return gateway

        await self._add(GATEWAY, start)

    async def stop_workers(self) -> None:
        """Let them finish what their queues let activities finish: an order that is being sent above all."""
        await asyncio.gather(*(worker.stop(seconds=WORKER_STOP_SECONDS) for worker in self.workers.values()))

    async def _stop_servers(self) -> None:
        for name, child in reversed(self.children.items()):
            if name not in (TEMPORAL, POSTGRES):
                await child.process.stop()
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


async def _first_line(process: Process, *, seconds: float = 60) -> str:
    """What it announces when it serves. One that does not is gone when this raises."""
    try:
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
        if not line:
            how = await process.ended()
            raise ProcessFailed(f"{process.name} did not start, it {how}:\n{process.last_words()}")
    except TimeoutError:
        await process.kill()
        raise ProcessFailed(f"{process.name} is not ready after {seconds:.0f} s:\n{process.last_words()}") from None
    except BaseException:
        await process.kill()
        raise
    return line.decode()


def _ports_of(urls: Mapping[str, str]) -> dict[str, int | None]:
    """The ports of a simulated ComfyUI server that has been started before."""
    return {key: urlsplit(urls[url]).port for key, url in zip(_COMFYUI_PORTS, ("api_url", "admin_url"), strict=True)}


def _simulator_environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in ("IMAGEIO_FFMPEG_EXE",) if name in os.environ}
    return {"PYTHONPATH": str(ROOT), **passed_on}


def _read_by(kind: type[GatewaySettings], settings: Mapping[str, str]) -> dict[str, str]:
    """Those settings that a process of this kind reads, and no others."""
    names = {name.upper() for name in kind.model_fields}
    return {name: value for name, value in settings.items() if name.removesuffix("_FILE") in names}
