"""What the GPUs do for a job: which server has which of its renders, which wait, and whether anybody takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue as Queue
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowHandle

from studio.contracts.rendering import RenderState
from workflows_temporal.addresses import TaskQueue

RENDERS = ("render_clip", "render_graph")
"""The activities that hold a GPU."""
LONGEST_POLL = timedelta(seconds=75)
"""Whoever takes renders asks for one at least once a minute; who has one asks for none."""
LONGEST_SILENCE = timedelta(seconds=10)
"""A render that runs is heard of every two seconds."""
MOST_LOOKED_AT = 100
"""Other jobs that are looked at to find out whether the GPUs are busy with them."""
NOBODY = (
    "No GPU worker takes renders: start one (COMFYUI_URL=http://… worker.py --queues gpu), "
    "or see whether its ComfyUI server is away"
)
_MAKERS = "'VideoWorkflow', 'ProjectWorkflow', 'ImageWorkflow', 'ClipWorkflow'"


@dataclass(frozen=True)
class GpuRender:
    """A render that a job waits for."""

    about: str
    """`clip 07`, `picture of s1`."""
    state: RenderState | None
    """None: no worker has it."""
    failure: str = ""
    """Why it has to be tried again."""

    @property
    def words(self) -> str:
        """For people."""
        if self.state is None:
            return f"{self.about}: {f'to be tried again: {self.failure}' if self.failure else 'waits for a GPU'}"
        told = [self.state.stage, f"{self.state.fraction:.0%}" if self.state.stage == "rendering" else ""]
        told += [f"on {self.state.server}" if self.state.server else ""]
        told += [f"{self.state.ahead} before it in the server's queue" if self.state.ahead else self.state.node]
        return f"{self.about}: {'  '.join(word for word in told if word)}"


@dataclass(frozen=True)
class GpuStanding:
    """How the GPUs stand to a job."""

    renders: list[GpuRender] = field(default_factory=list)
    away: str = ""
    """In words, when renders wait and nobody takes any."""

    @property
    def lines(self) -> list[str]:
        """For people: what runs, how many wait, what is wrong."""
        waiting = [one for one in self.renders if one.state is None and not one.failure]
        told = [one.words for one in self.renders if one not in waiting]
        if waiting:
            told.append(f"{len(waiting)} {'render waits' if len(waiting) == 1 else 'renders wait'} for a GPU")
        return [*told, self.away] if self.away else told

    @property
    def told(self) -> dict[str, Any]:
        """For programs."""
        renders = [
            {"about": one.about, "state": one.state.model_dump() if one.state else None, "failure": one.failure}
            for one in self.renders
        ]
        return {"renders": renders, "gpu_away": self.away}


async def gpu_standing(
    temporal: Client, *handles: WorkflowHandle[Any, Any], longest_poll: timedelta = LONGEST_POLL
) -> GpuStanding:
    """Look at the renders these workflows wait for."""
    renders, busy = list[GpuRender](), False
    for handle in handles:
        pending = await _pending(handle)
        busy = busy or any(_is_alive(one) for one in pending)
        names = await _names(temporal, handle, {one.activity_id for one in pending})
        renders += [await _render(temporal, one, names.get(one.activity_id, "render")) for one in pending]
    lonely = any(one.state is None for one in renders) and not busy
    lonely = lonely and not await _polled(temporal, longest_poll) and not await _busy_elsewhere(temporal)
    return GpuStanding(renders, NOBODY if lonely else "")


async def _pending(handle: WorkflowHandle[Any, Any]) -> list[PendingActivityInfo]:
    description = await handle.describe()
    return [one for one in description.raw_description.pending_activities if one.activity_type.name in RENDERS]


async def _names(temporal: Client, handle: WorkflowHandle[Any, Any], ids: set[str]) -> dict[str, str]:
    """What each of these activities is called in the web UI."""
    names: dict[str, str] = {}
    if ids:
        async for event in handle.fetch_history_events():
            scheduled = event.activity_task_scheduled_event_attributes.activity_id
            if scheduled in ids and event.user_metadata.HasField("summary"):
                (names[scheduled],) = await temporal.data_converter.decode([event.user_metadata.summary], [str])
    return names


async def _render(temporal: Client, pending: PendingActivityInfo, name: str) -> GpuRender:
    if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED:
        return GpuRender(name, None, pending.last_failure.message)
    payloads: Sequence[Any] = pending.heartbeat_details.payloads
    if not payloads:
        return GpuRender(name, RenderState())
    (state,) = await temporal.data_converter.decode(payloads, [RenderState])
    return GpuRender(name, state)


def _is_alive(pending: PendingActivityInfo) -> bool:
    """Somebody renders, and is heard of."""
    started = pending.state != PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    last = max(_time(pending.last_heartbeat_time), _time(pending.last_started_time))
    return started and datetime.now(UTC) - last < LONGEST_SILENCE


async def _polled(temporal: Client, longest_poll: timedelta) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=temporal.namespace,
        task_queue=Queue(name=TaskQueue.GPU),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    pollers = (await temporal.workflow_service.describe_task_queue(request)).pollers
    return any(datetime.now(UTC) - _time(one.last_access_time) < longest_poll for one in pollers)


async def _busy_elsewhere(temporal: Client) -> bool:
    """Whether a worker renders for another job: while it does, it asks for nothing."""
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ({_MAKERS})"
    async for other in temporal.list_workflows(query, limit=MOST_LOOKED_AT):
        if any(_is_alive(one) for one in await _pending(temporal.get_workflow_handle(other.id))):
            return True
    return False


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
