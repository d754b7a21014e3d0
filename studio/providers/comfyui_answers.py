"""What ComfyUI answers, read into values: prompts, their outputs, the queue, the server itself.

`/api/jobs/{id}` (0.5.1 and newer) and `/history/{id}` tell the same story in two shapes. In both, a prompt that was
interrupted is told from one that failed by its last message; a file is listed under whatever key its node likes, as
one object or in a list (an mp4 under `images`), so files are found by node, by `type` and by how their names end.
Custom nodes put anything anywhere: nothing here raises but what its docstring names, whatever the answer holds.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.errors import BadClip, ComfyError, OutputMissing, OutputPreviewed, RenderInterrupted, ServerGone
from studio.providers import _foreign, comfyui_refusals

OutputKind = Literal["image", "video"]
JobState = Literal["pending", "running", "success", "failed", "interrupted"]

_JOB_STATES: Mapping[str, JobState] = {
    "pending": "pending",
    "in_progress": "running",
    "completed": "success",
    "failed": "failed",
    "cancelled": "interrupted",
}
_VIDEO = (".mp4", ".mov", ".mkv", ".webm", ".m4v", ".avi")
_STILL = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".exr")
_ANIMATION = {".webp": "WebP", ".gif": "GIF", ".apng": "APNG"}
_NO_FILE: Mapping[str, str] = {"unfinished_batch": "its batch is not finished, it waits for more frames"}
"""What a node reports instead of a file, and what that means."""
LONGEST_NAME = 1_000


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
    def suffix(self) -> str:
        """How its name ends, in lower case: `.mp4`."""
        return "." + self.filename.rpartition(".")[2].lower() if "." in self.filename else ""

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
    reported: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Node → the keys under which it reported its results."""

    @property
    def finished(self) -> bool:
        """Has it come to its end, good or bad?"""
        return self.state not in ("pending", "running")

    def saved(self, node: str, kind: OutputKind | None = None) -> list[ComfyOutput]:
        """The files that this node saved, those of the wanted kind first; of no kind: videos before pictures."""
        files = [output for output in self.outputs if output.node == node and output.type == "output"]
        return sorted(files, key=lambda file: _distance(file.suffix, kind))

    def output(self, node: str, kind: OutputKind | None = None) -> ComfyOutput:
        """The file that this node saved: of several the first one of the wanted kind.

        Raises:
            OutputMissing: it saved none.
            BadClip: it saved pictures or an animation instead of a video.
        """
        saved = self.saved(node, kind)
        if not saved:
            raise self._missing(node)
        suffix, where = saved[0].suffix, comfyui_refusals.node_name(node, self.graph or {})
        if kind != "image" and suffix in _ANIMATION:
            raise BadClip(f"{where} saved an animated {_ANIMATION[suffix]}, no video: choose MP4 with H.264")
        if kind == "video" and suffix in _STILL:
            raise BadClip(f"{where} saved a picture ({suffix}), no video")
        return saved[0]

    def _missing(self, node: str) -> OutputMissing:
        where = comfyui_refusals.node_name(node, self.graph or {})
        if any(output.node == node for output in self.outputs):
            return OutputPreviewed(
                f"ComfyUI finished, but {where} made only a preview, no file: switch its save_output on"
            )
        keys = self.reported.get(node, ())
        reason = next((_NO_FILE[key] for key in keys if key in _NO_FILE), "")
        instead = reason or ("it reported only " + ", ".join(keys[:5]) if keys else "")
        return OutputMissing(f"ComfyUI finished, but {where} saved no file" + (f": {instead}" if instead else ""))

    def error(self) -> ComfyError:
        """Why it ended badly."""
        trouble = self.trouble or {}
        if self.state == "interrupted":
            node = _foreign.ident(trouble.get("node_id")) or ""
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
    return tuple(int(part[:9]) for part in found[1].split(".")[:9]) if found else ()


def job_of(body: Mapping[str, Any]) -> ComfyJob:
    """The answer of `GET /api/jobs/{id}`.

    Raises:
        ServerGone: it is in no state we know.
    """
    state = _JOB_STATES.get(_text(body.get("status")).strip().lower())
    if state is None:
        raise ServerGone(f"ComfyUI tells a job state that is not known: {_foreign.quote(body.get('status'), most=40)}")
    workflow = _object(body.get("workflow"))
    status = _object(body.get("execution_status"))
    interrupted = _told(status, "execution_interrupted")
    if state == "success" and status.get("status_str", "success") != "success":
        state = "failed"
    if state == "failed" and interrupted is not None:
        state = "interrupted"  # the first versions with `/api/jobs` know no `cancelled`
    return ComfyJob(
        _foreign.ident(body.get("id")) or "",
        state,
        outputs=tuple(_outputs(body.get("outputs"))),
        graph=_object(workflow.get("prompt")),
        client_id=_client_id(workflow.get("extra_data")),
        seconds=_between(body.get("execution_start_time"), body.get("execution_end_time")),
        trouble=_object(body.get("execution_error")) or interrupted,
        reported=_keys_reported(body.get("outputs")),
    )


def history_of(prompt_id: str, body: Mapping[str, Any]) -> ComfyJob | None:
    """The answer of `GET /history/{id}`; None when the prompt is not in it."""
    entry = _object(_object(body).get(prompt_id))
    if not entry:
        return None
    status = _object(entry.get("status"))
    outputs = tuple(_outputs(entry.get("outputs")))
    interrupted, failed = _told(status, "execution_interrupted"), _told(status, "execution_error")
    state = _end_state(status, outputs, interrupted, failed)
    end = _told(status, "execution_success") or failed or interrupted or {}
    prompt = entry.get("prompt")
    graph, extra = (prompt[2], prompt[3]) if isinstance(prompt, list) and len(prompt) > 3 else (None, None)
    return ComfyJob(
        prompt_id,
        state,
        outputs=outputs,
        graph=_object(graph),
        client_id=_client_id(extra),
        seconds=_between((_told(status, "execution_start") or {}).get("timestamp"), end.get("timestamp")),
        trouble=interrupted if state == "interrupted" else failed,
        reported=_keys_reported(entry.get("outputs")),
    )


def _end_state(
    status: Mapping[str, Any],
    outputs: tuple[ComfyOutput, ...],
    interrupted: Mapping[str, Any] | None,
    failed: Mapping[str, Any] | None,
) -> JobState:
    """How a prompt of the history ended. Servers without a status (before 2023) and proxies leave parts out: a file
    is there, or it is not."""
    word = _text(status.get("status_str")).strip().lower()
    if word == "success":
        return "success"
    if interrupted is not None:
        return "interrupted"
    if word == "error" or failed is not None:
        return "failed"
    done = status.get("completed") is True or _told(status, "execution_success") is not None or bool(outputs)
    return "success" if done else "failed"


def queue_of(body: Mapping[str, Any]) -> ComfyQueue:
    """The answer of `GET /queue`. Pending prompts come as a heap: the numbers are the order."""
    told = _object(body)
    running, pending = (sorted(_entries(told.get(key)), key=lambda entry: entry.number) for key in _QUEUES)
    return ComfyQueue(tuple(running), tuple(pending))


_QUEUES = ("queue_running", "queue_pending")


def stats_of(body: Mapping[str, Any]) -> ComfyStats:
    """The answer of `GET /system_stats`."""
    told = _object(body)
    system, devices = _object(told.get("system")), told.get("devices")
    return ComfyStats(
        version=_foreign.quote(_text(system.get("comfyui_version")), most=60),
        ram_free=_foreign.count(system.get("ram_free")) or 0,
        devices=tuple(
            ComfyDevice(
                name=_foreign.quote(_text(device.get("name")), most=100),
                type=_foreign.quote(_text(device.get("type")), most=40),
                vram_total=_foreign.count(device.get("vram_total")) or 0,
                vram_free=_foreign.count(device.get("vram_free")) or 0,
            )
            for device in map(_object, devices[:64] if isinstance(devices, list) else ())
        ),
    )


def _distance(suffix: str, kind: OutputKind | None) -> int:
    """How far a file is from the wanted kind: 0 is it, 1 may be it."""
    if suffix in _VIDEO:
        return 3 if kind == "image" else 0
    if suffix in _STILL:
        return 0 if kind == "image" else 3
    return 2 if suffix in _ANIMATION else 1


def _entries(items: object) -> Iterator[QueuedPrompt]:
    for item in items if isinstance(items, list) else []:
        prompt_id = _foreign.ident(item[1]) if isinstance(item, list) and len(item) > 1 else None
        if prompt_id is not None:
            number = _foreign.real(item[0])
            yield QueuedPrompt(
                math.inf if number is None else number, prompt_id, _client_id(item[3]) if len(item) > 3 else None
            )


def _outputs(nodes: object) -> Iterator[ComfyOutput]:
    for node, made in _object(nodes).items():
        for file in _foreign.objects_in(made, in_text=False):
            name, folder, kind = file.get("filename"), _text(file.get("subfolder")), _text(file.get("type"))
            if isinstance(name, str) and name.strip() and len(name) + len(folder) <= LONGEST_NAME:
                yield ComfyOutput(_foreign.clean(name), _foreign.clean(folder), _foreign.clean(kind) or "output", node)


def _keys_reported(nodes: object) -> dict[str, tuple[str, ...]]:
    return {
        node: tuple(_foreign.quote(key, most=40) for key in list(made)[:10])
        for node, made in _object(nodes).items()
        if isinstance(made, dict)
    }


def _told(status: Mapping[str, Any], message: str) -> dict[str, Any] | None:
    """What the last message of this name says; None when there was none."""
    found, messages = None, status.get("messages")
    for told in messages if isinstance(messages, list) else []:
        if isinstance(told, list) and told and told[0] == message:
            found = _object(told[1]) if len(told) > 1 else {}
    return found


def _between(start: object, end: object) -> float | None:
    first, last = (_foreign.real(moment) for moment in (start, end))
    return None if first is None or last is None else max(last - first, 0) / 1_000


def _client_id(extra: object) -> str | None:
    found = _object(extra).get("client_id")
    return _foreign.ident(found) if isinstance(found, str) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
