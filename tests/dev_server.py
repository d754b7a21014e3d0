"""Temporal dev servers for tests, and clients whose workers suit them."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import _Definition

from local.processes import free_port, listening, spawn
from local.temporal_server import answers, server_flags, temporal_binary
from workflows_temporal.connection import StudioPlugin

DEADLOCK_SECONDS = 60
"""Wall time after which a workflow task counts as hanging. The SDK takes two seconds, which a busy machine may need now
and then; it offers no setting but to do without the check and the sandbox."""

LEAN = {
    # No workers of the server's own (schedules, batches) in each namespace: 17 ms and 2 MB for each test.
    "worker.perNamespaceWorkerCount": "0",
    # A closed execution is deleted once its last tasks count as done, which is looked at every 10 to 30 seconds.
    "history.transferProcessorUpdateAckInterval": '"1s"',
    "history.visibilityProcessorUpdateAckInterval": '"1s"',
}
"""What tests ask of a server in addition."""

FRUGAL = {"GOMAXPROCS": "1", "GOGC": "400"}
"""For Go's runtime: one thread at work and fewer collections take a fifth less of processors that tests share."""


@asynccontextmanager
async def dev_server(logs: Path, limits: Mapping[str, str] | None = None) -> AsyncIterator[str]:
    """A dev server in memory, with the flags every server of ours has and these limits; its address."""
    port = free_port()
    argv: list[str | Path] = [temporal_binary(), "server", "start-dev", "--headless", "--ip", "127.0.0.1"]
    argv += ["--port", str(port), *server_flags()]
    for name, value in (LEAN | dict(limits or {})).items():
        argv += ["--dynamic-config-value", f"{name}={value}"]
    server = await spawn("temporal", argv, log=logs / "temporal.log", env=FRUGAL)
    await server.until(lambda: listening(port))
    await server.until(lambda: asyncio.ensure_future(answers(f"127.0.0.1:{port}")))
    yield f"127.0.0.1:{port}"
    await server.stop()


async def connect_patiently(address: str, namespace: str = "default") -> Client:
    """A client as ours are, whose workers are patient with a busy machine."""
    return await Client.connect(address, namespace=namespace, plugins=[StudioPlugin(), Patient()])


class Patient(SimplePlugin):
    """Workers whose workflow tasks may take long, and which check a workflow's class once in a process."""

    def __init__(self) -> None:
        super().__init__(name="patient", workflow_runner=_checking_once)

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        """Give the worker's workflow tasks more time, and run it."""
        if worker._workflow_worker is not None:
            assert worker._workflow_worker._deadlock_timeout_seconds == 2
            worker._workflow_worker._deadlock_timeout_seconds = DEADLOCK_SECONDS
        await super().run_worker(worker, next)


class _CheckedOnce(SandboxedWorkflowRunner):
    """A worker that starts makes an instance of each workflow to check it: 4 ms each, and tests start many workers."""

    def prepare_workflow(self, defn: _Definition) -> None:
        case = (defn.cls, frozenset(self.restrictions.passthrough_modules))
        if case not in _checked:
            super().prepare_workflow(defn)
            _checked.add(case)


_checked: set[tuple[type, frozenset[str]]] = set()


def _checking_once(runner: WorkflowRunner | None) -> WorkflowRunner:
    assert isinstance(runner, SandboxedWorkflowRunner)
    return _CheckedOnce(
        **{field.name: getattr(runner, field.name) for field in dataclasses.fields(runner) if field.init}
    )
