"""GPU servers that have nothing to do with each other: each with its worker in a Temporal namespace of its own, so that
many crashes can be played at the same time, and each video is known to be on one server."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest

from benchmarks.gpus import Gpu
from benchmarks.ground import Ground, ground
from workflows_temporal.connection import connect, ensure_search_attributes

_RETENTION = timedelta(days=1)


@dataclass(frozen=True)
class Lane:
    """One server, its worker, and a client for their namespace."""

    here: Ground
    gpu: Gpu

    async def start_worker(self) -> None:
        """Start the server's worker."""
        stack = self.here.stack
        await stack.start_worker(self._worker, "gpu", COMFYUI_URL=self.gpu.url, **self.settings)

    async def kill_worker(self) -> None:
        """SIGKILL it."""
        await self.here.stack.kill_worker(self._worker)

    async def restart_worker(self) -> None:
        """SIGKILL it and start another."""
        await self.kill_worker()
        await self.start_worker()

    async def restart_server(self) -> None:
        """SIGKILL the server and start it again on its files and its port."""
        await self.here.stack.kill_comfyui(self.gpu.name)
        await self.here.stack.start_comfyui(self.gpu.name)

    @property
    def settings(self) -> dict[str, str]:
        """What makes a worker serve this lane."""
        return {"TEMPORAL_NAMESPACE": self.here.temporal.namespace}

    @property
    def _worker(self) -> str:
        return f"worker of {self.gpu.name}"


@asynccontextmanager
async def gpu_lanes(count: int, comfyui: Mapping[str, Any]) -> AsyncIterator[list[Lane]]:
    """So many of them, on one fresh stack."""
    async with ground(kie={}, speed=1, workers={}, settings={}, comfyui=comfyui) as here:
        yield await asyncio.gather(*(_open(here, f"comfyui-{number}") for number in range(1, count + 1)))


async def _open(here: Ground, name: str) -> Lane:
    retention = Duration()
    retention.FromTimedelta(_RETENTION)
    request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=retention)
    await here.temporal.workflow_service.register_namespace(request)
    temporal = await connect(here.stack.temporal.address, namespace=name)
    await ensure_search_attributes(temporal)
    lane = Lane(dataclasses.replace(here, temporal=temporal), Gpu(here, name))
    await here.stack.start_comfyui(name)
    await here.stack.start_worker(f"videos of {name}", "studio,media", **lane.settings)
    await lane.start_worker()
    return lane
