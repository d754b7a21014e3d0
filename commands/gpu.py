"""What the GPUs do for a job: which server has which of its renders, which wait, and whether anybody takes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle

from commands.session import Session
from studio.contracts.rendering import GpuServer, RenderState
from studio.store.gpu_servers import GpuServerStore

RENDERS = ("render_clip", "render_graph")
"""The activities that hold a GPU."""
NOBODY = "No GPU worker takes renders: start one, COMFYUI_URL=http://… worker.py --queues gpu"


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
        if self.state.stage == "stalled":
            told += [self.state.trouble]
        elif self.state.stage == "waiting" and self.state.ahead is not None:
            told += [f"{self.state.ahead} before it in the server's queue"]
        else:
            told += [self.state.node]
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
    def interrupted(self) -> str:
        """What calling the job off interrupts on a server, in words; empty: nothing."""
        begun = [one.about for one in self.renders if one.state and one.state.stage in ("rendering", "stalled")]
        return f"Interrupted on its GPU: {', '.join(begun)}" if begun else ""

    @property
    def told(self) -> dict[str, Any]:
        """For programs."""
        renders = [
            {"about": one.about, "state": one.state.model_dump() if one.state else None, "failure": one.failure}
            for one in self.renders
        ]
        return {"renders": renders, "gpu_away": self.away}


async def gpu_standing(session: Session, *handles: WorkflowHandle[Any, Any]) -> GpuStanding:
    """Look at the renders these workflows wait for."""
    renders = list[GpuRender]()
    for handle in handles:
        pending = await _pending(handle)
        names = await _names(session.temporal, handle, {one.activity_id for one in pending})
        renders += [await _render(session.temporal, one, names.get(one.activity_id, "render")) for one in pending]
    waits = any(one.state is None for one in renders)
    return GpuStanding(renders, _away(await GpuServerStore(session.database).there()) if waits else "")


def _away(servers: list[GpuServer]) -> str:
    """Why nobody takes renders; empty: somebody does."""
    if not servers:
        return NOBODY
    if all(server.away for server in servers):
        return "Every ComfyUI server is away: " + "; ".join(f"{server.name}: {server.away}" for server in servers)
    return ""


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
