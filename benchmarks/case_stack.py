"""Cases that need a running stack: starts and signals of videos, and callbacks of KIE.ai's."""

import asyncio
import hashlib
import io
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.taskqueue.v1 import TaskQueue as Queue
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest, StartWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowQueryFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from benchmarks.ground import Ground, ground
from benchmarks.isolated import Outcome
from studio.callback_address import CallbackAddresses, CallbackSigner, CallbackSubject
from studio.contracts.video import VideoProgress, VideoStatus
from studio.errors import StudioError
from workflows_temporal.addresses import TaskQueue, video_workflow_id

WORKERS = {"studio": "studio,kling", "media": "media"}
NO_DIGEST = b"0" * 64
"""Stands in a case where the digest of its still belongs."""
MANY = 2_000
"""Signals in a row."""
AT_ONCE = 50
LOOK_SECONDS = 0.2

_THE_SERVERS_OWN = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
)
"""No fault of a workflow's: signals came while its task was under way."""
_STOPPED_EARLY = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)


def _json(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


NULL = Payload(metadata={"encoding": b"binary/null"})
STARTS: Mapping[str, list[Payload]] = {
    "without input": [],
    "with null": [_json(b"null")],
    "with null as Java and Go send it": [NULL],
    "with an encoding nobody knows": [Payload(metadata={"encoding": b"binary/encrypted"}, data=b"\x01")],
}
SIGNALS: tuple[tuple[str, list[Payload]], ...] = tuple(
    [("resume", [_json(text)]) for text in (b"{}", b"null", b'"now"', b'"' + b"x" * 300_000 + b'"')]
    + [("resume", [NULL]), ("stop", []), ("stop", [_json(b"1"), _json(b"2")])]
    + [("stop", [_json(text)]) for text in (b'"1"', b"1.0", b'{"number":1}', b"999", b"null", b"-1", b"1e400")]
    + [
        ("called_back", [_json(text)])
        for text in (b"{}", b"null", b'{"task_id":"another"}', b'"' + b"x" * 300_000 + b'"')
    ]
    + [("order_decided", [_json(b"{}")]), ("Resume", []), ("no such signal", [NULL])]
)


async def at_stack(cases: Mapping[str, Path], *, seconds: float) -> AsyncIterator[tuple[str, Outcome]]:
    """Try cases on a stack of its own, and beside files of `temporal` what can be sent without a file.

    Args:
        seconds: after which a case counts as a hang.
    """
    if not cases:
        return
    async with ground(kie={}, speed=60.0, workers=WORKERS, settings={}, callbacks=True) as here:
        starts = False
        for name, path in cases.items():
            content = await asyncio.to_thread(path.read_bytes)
            if name.startswith("temporal/"):
                starts = True
                yield name, await _started(here, path.stem, [_json(await _with_still(here, content))], seconds)
            else:
                yield name, await _called_back(here, path, content)
        if starts:
            for words, sent in STARTS.items():
                yield f"temporal/start {words}", await _started(here, uuid.uuid4().hex[:8], sent, seconds)
            yield "temporal/signals", await _signalled(here, seconds)


# ── callbacks ────────────────────────────────────────────────────────────


async def _called_back(here: Ground, path: Path, content: bytes) -> Outcome:
    """A callback with this body about an order there is none of, at an address of ours."""
    environment = here.stack.environment
    addresses = CallbackAddresses(environment["KIE_CALLBACK_URL"], CallbackSigner(environment["CALLBACK_SECRET"]))
    url = addresses.of(CallbackSubject("kie", str(uuid.uuid4()), "cases", "case", 1))
    kind = "application/json" if path.suffix == ".json" else "application/x-www-form-urlencoded"
    async with httpx.AsyncClient(timeout=10) as http:
        answer = await http.post(url, content=content, headers={"Content-Type": kind})
    text = f"{answer.status_code} {' '.join(answer.text.split())}"
    if answer.status_code >= 500:
        return Outcome("traceback", text)
    return Outcome("accepted" if answer.is_success else "refused", text)


# ── starts ───────────────────────────────────────────────────────────────


async def _with_still(here: Ground, content: bytes) -> bytes:
    """The input with the digest of a picture that lies under the keys it names."""
    file = io.BytesIO()
    Image.effect_noise((960, 540), 60).convert("RGB").save(file, format="PNG")
    picture = file.getvalue()
    try:
        request = json.loads(content.decode("utf-8-sig"))
        keys = {clip["still"]["key"] for clip in request["clips"]}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        keys = set()
    path = here.folder / "case.png"
    await asyncio.to_thread(path.write_bytes, picture)
    for key in sorted(key for key in keys if isinstance(key, str)):
        try:
            await here.objects.put(path, key, "image/png")
        except (StudioError, ValueError):
            continue  # no key of ours: what the workflow says of it is the case
    return content.replace(NO_DIGEST, hashlib.sha256(picture).hexdigest().encode())


def _id_of(content: bytes, stem: str) -> str:
    try:
        request = json.loads(content.decode("utf-8-sig"))
        return video_workflow_id(str(request["channel"]), str(request["video_id"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        return video_workflow_id("demo", stem)


async def _started(here: Ground, stem: str, sent: list[Payload], seconds: float) -> Outcome:
    """Start a video with this input; what it is at when it works, waits or has ended."""
    client = here.temporal
    workflow_id = _id_of(sent[0].data if sent else b"", stem)
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id=workflow_id,
        workflow_type=WorkflowType(name="VideoWorkflow"),
        task_queue=Queue(name=TaskQueue.STUDIO),
        input=Payloads(payloads=sent),
        request_id=uuid.uuid4().hex,
    )
    try:
        await client.workflow_service.start_workflow_execution(request)
    except RPCError as error:
        return Outcome("refused", f"Temporal: {error.message}")
    watched = Watched(here, workflow_id)
    outcome = await watched.outcome(seconds)
    await watched.end()
    return outcome


@dataclass
class Watched:
    """A video that was started."""

    here: Ground
    workflow_id: str

    @property
    def handle(self) -> Any:
        """Its newest run."""
        return self.here.temporal.get_workflow_handle(self.workflow_id)

    async def outcome(self, seconds: float) -> Outcome:
        """Look until it works, waits, has ended, or time is up."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (failed := await self.failed_tasks()) is not None:
                return Outcome("wedged", failed)
            if (await self.handle.describe()).status not in _STOPPED_EARLY:
                return await self._ended()
            progress = await self.progress()
            if progress and progress.status is not VideoStatus.QUEUED:
                return Outcome("accepted", f"{progress.status}: {progress.message or 'its clips are being made'}")
            await asyncio.sleep(LOOK_SECONDS)
        return Outcome("hang", f"neither works nor ends within {seconds:g} s")

    async def _ended(self) -> Outcome:
        try:
            await self.handle.result()
        except WorkflowFailureError as failure:
            cause = failure.cause
            words = f"{cause.type}: {cause.message}" if isinstance(cause, ApplicationError) else str(cause)
            return Outcome("refused", words)
        return Outcome("accepted", "finished")

    async def failed_tasks(self) -> str | None:
        """Why a workflow task failed; None when none did."""
        async for event in self.handle.fetch_history_events():
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED:
                failed = event.workflow_task_failed_event_attributes
                if failed.cause not in _THE_SERVERS_OWN:
                    return f"workflow task failed: {failed.failure.message}"
        return None

    async def progress(self) -> VideoProgress | None:
        """How it is, if it answers."""
        try:
            told = await self.handle.query("progress", result_type=VideoProgress)
        except (RPCError, WorkflowQueryFailedError):
            return None
        return told if isinstance(told, VideoProgress) else None

    async def end(self) -> None:
        """Whatever is still going on need not."""
        try:
            await self.handle.terminate("the case has been seen")
        except RPCError:
            return  # it had ended


# ── signals ──────────────────────────────────────────────────────────────


async def _signalled(here: Ground, seconds: float) -> Outcome:
    """Everything that fits no signal, and thousands of `resume`, to a video that waits for a budget."""
    request = await here.video("signalled", clips=2, channel="cases", budget_usd="0.01")
    handle = await here.start(request)
    watched = Watched(here, handle.id)
    try:
        await watched.outcome(6 * seconds)
        for name, sent in SIGNALS:
            await _signal(here, handle.id, name, sent)
        for _ in range(0, MANY, AT_ONCE):
            await asyncio.gather(*(_signal(here, handle.id, "resume", []) for _ in range(AT_ONCE)))
        outcome = await watched.outcome(6 * seconds)
    finally:
        await watched.end()
    count = len(SIGNALS) + MANY
    return Outcome(outcome.kind, f"after {count} signals {outcome.text}")


async def _signal(here: Ground, workflow_id: str, name: str, sent: list[Payload]) -> None:
    await here.temporal.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace=here.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=workflow_id),
            signal_name=name,
            input=Payloads(payloads=sent),
        ),
        retry=True,
    )
