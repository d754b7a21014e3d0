"""What ComfyUI answers, read into values: prompts, their outputs, the queue, the server itself.

`/api/jobs/{id}` (0.5.1 and newer) and `/history/{id}` tell the same story in two shapes. In both, a prompt that was
interrupted is told from one that failed by its last message; a file is listed under whatever key its node likes (an
mp4 under `images`), so files are found by node and by `type`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studio.errors import ComfyError, OutputMissing, RenderInterrupted, ServerGone
from studio.providers import comfyui_refusals

JobState = Literal["pending", "running", "success", "failed", "interrupted"]

_JOB_STATES: Mapping[str, JobState] = {
    "pending": "pending",
    "in_progress": "running",
    "completed": "success",
    "failed": "failed",
    "cancelled": "interrupted",
}


@dataclass(frozen=True)
class ComfyOutput:
    """A file on the server."""

    filename: str
    subfolder: str = ""
    type: str = "output"
    node: str = ""
    size: int | None = None
    """Length in bytes, where the server said it."""

    @property
    def path(self) -> str:
        """As a graph names it: `longtake/take/1_00001_.png`."""
        return f"{self.subfolder}/{self.filename}" if self.subfolder else self.filename

    @property
    def address(self) -> dict[str, str]:
        """The query of `/view` that leads to it."""
        return {"filename": self.filename, "subfolder": self.subfolder, "type": self.type}


@dataclass(frozen=True)
class ComfyJob:
    """What a server knows of one prompt."""

    prompt_id: str
    state: JobState
    outputs: tuple[ComfyOutput, ...] = ()
    """Every file it made, previews of type `temp` included."""
    graph: Mapping[str, Any] | None = None
    client_id: str | None = None
    """Who hears of it by WebSocket, where the server says so: see `ComfyClient.client_of`."""
    seconds: float | None = None
    """From its start to its end, by the server's clock."""
    trouble: Mapping[str, Any] | None = None
    """The message it failed or was interrupted with."""

    @property
    def finished(self) -> bool:
        """Has it come to its end, good or bad?"""
        return self.state not in ("pending", "running")

    def output(self, node: str) -> ComfyOutput:
        """The file that this node saved.

        Raises:
            OutputMissing: it saved none.
        """
        for output in self.outputs:
            if output.node == node and output.type == "output":
                return output
        where = comfyui_refusals.node_name(node, self.graph or {})
        raise OutputMissing(f"ComfyUI finished, but {where} saved no file")

    def error(self) -> ComfyError:
        """Why it ended badly."""
        trouble = self.trouble or {}
        if self.state == "interrupted":
            node = str(trouble.get("node_id") or "")
            where = (
                f" at {comfyui_refusals.node_name(node, self.graph or {}, trouble.get('node_type'))}" if node else ""
            )
            return RenderInterrupted(f"Somebody interrupted the render on the ComfyUI server{where}")
        return comfyui_refusals.execution_error(trouble, self.graph or {})


@dataclass(frozen=True)
class QueuedPrompt:
    """One entry of the server's queue. The same prompt can stand in it twice."""

    number: float
    prompt_id: str
    client_id: str | None = None


@dataclass(frozen=True)
class ComfyQueue:
    """The server's queue, in the order of work. It is shared with everybody who uses the server."""

    running: tuple[QueuedPrompt, ...] = ()
    pending: tuple[QueuedPrompt, ...] = ()

    @property
    def idle(self) -> bool:
        """Nothing runs, nothing waits."""
        return not self.running and not self.pending

    def state_of(self, prompt_id: str) -> JobState | None:
        """Where this prompt stands; None when it is in the queue no more, or never was."""
        job = self.job(prompt_id)
        return job.state if job else None

    def ahead_of(self, prompt_id: str) -> int | None:
        """How many prompts come before this one: 0 when it runs, None when it is not in the queue."""
        if self.state_of(prompt_id) == "running":
            return 0
        order = [entry.prompt_id for entry in self.pending]
        return len(self.running) + order.index(prompt_id) if prompt_id in order else None

    def job(self, prompt_id: str) -> ComfyJob | None:
        """This prompt, as the queue knows it."""
        for entry in (*self.running, *self.pending):
            if entry.prompt_id == prompt_id:
                state: JobState = "running" if entry in self.running else "pending"
                return ComfyJob(prompt_id, state, client_id=entry.client_id)
        return None


@dataclass(frozen=True)
class ComfyDevice:
    """What a server computes on. Memory in bytes."""

    name: str
    type: str
    vram_total: int = 0
    vram_free: int = 0


@dataclass(frozen=True)
class ComfyStats:
    """A server: its version, its memory in bytes, its devices."""

    version: str
    ram_free: int = 0
    devices: tuple[ComfyDevice, ...] = ()


def release(version: str) -> tuple[int, ...]:
    """A version as numbers that can be compared: `v0.33.0-dirty` → (0, 33, 0). What is none counts as oldest."""
    found = re.match(r"v?(\d+(?:\.\d+)*)", version.strip())
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def job_of(body: Mapping[str, Any]) -> ComfyJob:
    """The answer of `GET /api/jobs/{id}`.

    Raises:
        ServerGone: it is in no state we know.
    """
    state = _JOB_STATES.get(str(body.get("status")))
    if state is None:
        raise ServerGone(f"ComfyUI tells a job state nobody knows: {body.get('status')!r}")
    workflow = _object(body.get("workflow"))
    status = _object(body.get("execution_status"))
    interrupted = _told(status, "execution_interrupted")
    if state == "success" and status.get("status_str", "success") != "success":
        state = "failed"
    if state == "failed" and interrupted is not None:
        state = "interrupted"  # the first versions with `/api/jobs` know no `cancelled`
    return ComfyJob(
        str(body.get("id")),
        state,
        outputs=tuple(_outputs(body.get("outputs"))),
        graph=_object(workflow.get("prompt")),
        client_id=_client_id(workflow.get("extra_data")),
        seconds=_between(body.get("execution_start_time"), body.get("execution_end_time")),
        trouble=_object(body.get("execution_error")) or interrupted,
    )


def history_of(prompt_id: str, body: Mapping[str, Any]) -> ComfyJob | None:
    """The answer of `GET /history/{id}`; None when the prompt is not in it."""
    entry = _object(body.get(prompt_id))
    if not entry:
        return None
    status = _object(entry.get("status"))
    interrupted, failed = _told(status, "execution_interrupted"), _told(status, "execution_error")
    state: JobState = "success"
    if status.get("status_str") != "success":
        state = "interrupted" if interrupted is not None else "failed"
    end = _told(status, "execution_success") or failed or interrupted or {}
    prompt = entry.get("prompt")
    graph, extra = (prompt[2], prompt[3]) if isinstance(prompt, list) and len(prompt) > 3 else (None, None)
    return ComfyJob(
        prompt_id,
        state,
        outputs=tuple(_outputs(entry.get("outputs"))),
        graph=_object(graph),
        client_id=_client_id(extra),
        seconds=_between((_told(status, "execution_start") or {}).get("timestamp"), end.get("timestamp")),
        trouble=interrupted if state == "interrupted" else failed,
    )


def queue_of(body: Mapping[str, Any]) -> ComfyQueue:
    """The answer of `GET /queue`. Pending prompts come as a heap: the numbers are the order."""
    running, pending = (sorted(_entries(body.get(key)), key=lambda entry: entry.number) for key in _QUEUES)
    return ComfyQueue(tuple(running), tuple(pending))


_QUEUES = ("queue_running", "queue_pending")


def stats_of(body: Mapping[str, Any]) -> ComfyStats:
    """The answer of `GET /system_stats`."""
    system = _object(body.get("system"))
    devices = [_object(device) for device in body.get("devices") or []]
    return ComfyStats(
        version=str(system.get("comfyui_version") or ""),
        ram_free=int(system.get("ram_free") or 0),
        devices=tuple(
            ComfyDevice(
                name=str(device.get("name") or ""),
                type=str(device.get("type") or ""),
                vram_total=int(device.get("vram_total") or 0),
                vram_free=int(device.get("vram_free") or 0),
            )
            for device in devices
        ),
    )


def _entries(items: object) -> Iterator[QueuedPrompt]:
    for item in items if isinstance(items, list) else []:
        if isinstance(item, list) and len(item) > 3:
            yield QueuedPrompt(float(item[0]), str(item[1]), _client_id(item[3]))


def _outputs(nodes: object) -> Iterator[ComfyOutput]:
    for node, made in _object(nodes).items():
        for files in _object(made).values():
            for file in files if isinstance(files, list) else []:
                if isinstance(file, dict) and file.get("filename"):
                    kind = str(file.get("type") or "output")
                    yield ComfyOutput(str(file["filename"]), str(file.get("subfolder") or ""), kind, str(node))


def _told(status: Mapping[str, Any], message: str) -> dict[str, Any] | None:
    """What the last message of this name says; None when there was none."""
    found = None
    for told in status.get("messages") or []:
        if isinstance(told, list) and len(told) == 2 and told[0] == message:
            found = _object(told[1])
    return found


def _between(start: object, end: object) -> float | None:
    if isinstance(start, (int, float)) and isinstance(end, (int, float)):
        return max(end - start, 0) / 1_000
    return None


def _client_id(extra: object) -> str | None:
    found = _object(extra).get("client_id")
    return found if isinstance(found, str) else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
