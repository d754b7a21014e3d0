"""Whatever is sent to a workflow, and by whom: no workflow task fails, and what ran before goes on.

The cases are generated from the registered classes: every workflow with every signal, update and query it has, and
its start, each with every payload below. The workers have no activities, so that what runs stays where it is.
"""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import EventType, UpdateWorkflowExecutionLifecycleStage, WorkflowTaskFailedCause
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.api.taskqueue.v1 import TaskQueue as Queue
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from simulators.kie import KieSimulator
from studio.contracts.base import Contract, SetByWorkflow
from studio.contracts.clip import ClipStatus
from studio.contracts.gate import GateState, Ticket
from studio.contracts.sentence import SentenceRequest
from studio.contracts.video import Provider
from tests.house.test_registration import workflow_names
from tests.studio_at_work import eventually, make_studio
from workflows_temporal.addresses import KLING_GATE_ID, WORKFLOW_IDS, TaskQueue, image_workflow_id
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.image import ImageWorkflow
from workflows_temporal.inbound import INVALID_RESULT
from workflows_temporal.unknown import UnknownWorkflow
from workflows_temporal.video import VideoWorkflow

TASK_FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
THE_SERVERS_OWN = (
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,  # a hundred signals came meanwhile
    WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,  # one came as the run ended
)
ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
Sent = list[Payload]
AT_ONCE = 20
"""Signals that one workflow task may meet: the SDK fails one that takes two seconds, as it may on a busy machine."""


def _json(data: bytes) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=data)


PAYLOADS: Mapping[str, Sent] = {
    "none": [],
    "two": [_json(b"1"), _json(b"{}")],
    "three_nulls": [_json(b"null")] * 3,
    "null": [_json(b"null")],
    "binary_null": [Payload(metadata={"encoding": b"binary/null"})],  # null as Java, Go, PHP, .NET and Python send it
    "binary_null_with_bytes": [Payload(metadata={"encoding": b"binary/null"}, data=b"x")],
    "binary_plain": [Payload(metadata={"encoding": b"binary/plain"}, data=b"\xff\x00")],
    "unknown_encoding": [Payload(metadata={"encoding": b"binary/encrypted"}, data=b"\x01\x02")],
    "no_encoding": [Payload(data=b"{}")],
    "encoding_not_utf8": [Payload(metadata={"encoding": b"\xff\xfe"}, data=b"{}")],
    "protobuf": [Payload(metadata={"encoding": b"json/protobuf", "messageType": b"no.Such"}, data=b"{}")],
    "empty_text": [_json(b'""')],
    "text": [_json(b'"now"')],
    "object": [_json(b"{}")],
    "list": [_json(b"[]")],
    "number": [_json(b"1e400")],
    "negative": [_json(b"-7")],
    "long_number": [_json(b"9" * 5_000)],
    "bool": [_json(b"true")],
    "nan": [_json(b"NaN")],
    "deep": [_json(b"[" * 5_000 + b"]" * 5_000)],
    "deep_object": [_json(b'{"a":' * 150 + b"1" + b"}" * 150)],
    "300kB": [_json(b'"' + b"x" * 300_000 + b'"')],
    "300kB_list": [_json(b"[" + b'"x",' * 75_000 + b'"x"]')],
    "nul": [_json(b'"\\u0000"')],
    "surrogate": [_json(b'"\\ud800"')],
    "not_utf8": [_json(b'"\xff\xfe"')],
    "not_json": [_json(b"{channel: 'poke1'}")],
    "no_bytes": [_json(b"")],
    "json_in_text": [_json(b'"{\\"channel\\": \\"poke1\\"}"')],
    "foreign_object": [_json(b'{"channel":null,"videoId":[],"clips":{"1":{}},"reason":{},"limit":"many"}')],
}


@pytest.fixture
async def spine(temporal: Client) -> AsyncIterator[Client]:
    """Every workflow of ours is served, and no activity."""
    async with Worker(temporal, task_queue=TaskQueue.STUDIO, workflows=[*workflow_names().values(), UnknownWorkflow]):
        yield temporal


def sample(schema: Mapping[str, Any], whole: Mapping[str, Any], *, rich: bool = False) -> Any:
    """The smallest value that fits a JSON schema; a rich one is not empty either."""
    if "$ref" in schema:
        return sample(whole["$defs"][schema["$ref"].rsplit("/", 1)[1]], whole, rich=rich)
    if fixed := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return fixed[0]
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return sample(options[0], whole, rich=rich)
    match schema.get("type"):
        case "object" if rich and "additionalProperties" in schema:
            return {"a": sample(schema["additionalProperties"], whole)}
        case "object":
            return {name: sample(schema["properties"][name], whole) for name in schema.get("required", ())}
        case "array":
            return [sample(schema["items"], whole)] * max(schema.get("minItems", 0), int(rich))
        case "string" if schema.get("format") == "date-time":
            return "2026-01-31T12:00:00Z"
        case "string":
            return next(text for text in ("a", "0" * 32, "0" * 64, "") if re.search(schema.get("pattern", ""), text))
        case "integer" | "number":
            return schema.get("minimum", int(rich))
        case "boolean":
            return rich
    return None


def start_type(workflow_type: str) -> type | None:
    """The contract a workflow begins with."""
    definition = workflow._Definition.must_from_class(workflow_names()[workflow_type])
    types = definition.arg_types or []
    return types[0] if types else None


def request_for(workflow_type: str, **fields: Any) -> dict[str, Any] | None:
    """An input it begins with, and the id it begins under."""
    contract = start_type(workflow_type)
    if contract is None:
        return None
    schema = TypeAdapter(contract).json_schema()
    return {**sample(schema, schema), **fields}


def id_for(workflow_type: str, request: Any) -> str:
    contract = start_type(workflow_type)
    if contract is None:
        return f"{workflow_type}/{uuid.uuid4().hex}"
    return WORKFLOW_IDS[workflow_type](TypeAdapter(contract).validate_python(request))


@dataclass
class Raw:
    """The server's own interface, past every SDK's converter."""

    client: Client

    async def start(self, workflow_type: str, workflow_id: str, sent: Sent, **more: Any) -> WorkflowHandle[Any, Any]:
        started = await self.client.workflow_service.start_workflow_execution(
            StartWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_id=workflow_id,
                workflow_type=WorkflowType(name=workflow_type),
                task_queue=Queue(name=TaskQueue.STUDIO),
                input=Payloads(payloads=sent),
                request_id=uuid.uuid4().hex,
                **more,
            )
        )
        return self.client.get_workflow_handle(workflow_id, run_id=started.run_id)

    async def signal(self, workflow_id: str, name: str, sent: Sent) -> None:
        await self.client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=workflow_id),
                signal_name=name,
                input=Payloads(payloads=sent),
            ),
            retry=True,  # a workflow that continues as new takes a moment
        )

    async def update(self, workflow_id: str, name: str, sent: Sent) -> tuple[str, str]:
        """How it was refused: type and reason; nothing when it was answered."""
        stage = UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
        answer = await self.client.workflow_service.update_workflow_execution(
            UpdateWorkflowExecutionRequest(
                namespace=self.client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=workflow_id),
                wait_policy=WaitPolicy(lifecycle_stage=stage),
                request=Request(
                    meta=Meta(update_id=uuid.uuid4().hex), input=Input(name=name, args=Payloads(payloads=sent))
                ),
            ),
            retry=True,
        )
        failure = answer.outcome.failure
        return failure.application_failure_info.type, failure.message

    async def query(self, workflow_id: str, name: str, sent: Sent) -> str:
        """The reason it was refused for; nothing when it was answered."""
        try:
            await self.client.workflow_service.query_workflow(
                QueryWorkflowRequest(
                    namespace=self.client.namespace,
                    execution=WorkflowExecution(workflow_id=workflow_id),
                    query=WorkflowQuery(query_type=name, query_args=Payloads(payloads=sent)),
                )
            )
        except RPCError as error:
            return error.message
        return ""


async def failed_tasks(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Why workflow tasks of a run failed."""
    failures = [
        event.workflow_task_failed_event_attributes
        async for event in handle.fetch_history_events()
        if event.event_type == TASK_FAILED
    ]
    return [failure.failure.message for failure in failures if failure.cause not in THE_SERVERS_OWN]


async def how_it_ended(handle: WorkflowHandle[Any, Any]) -> tuple[str | None, str]:
    """Type and reason of a failure; ("", "") for a success."""
    try:
        await asyncio.wait_for(handle.result(), 30)
    except WorkflowFailureError as failure:
        assert isinstance(failure.cause, ApplicationError), failure.cause
        return failure.cause.type, failure.cause.message
    return "", ""


async def test_a_start_with_an_input_that_does_not_fit_ends_as_invalid_request(spine: Client) -> None:
    raw, ends = Raw(spine), {}

    async def start(workflow_type: str, name: str) -> None:
        handle = await raw.start(workflow_type, f"{workflow_type}/{name}", PAYLOADS[name])
        kind, reason = await how_it_ended(handle)
        ends[workflow_type, name] = (kind, bool(reason), await failed_tasks(handle))

    types = [*workflow_names(), "NoSuchWorkflow"]
    some = sorted({*list(PAYLOADS)[::4], "binary_null", "empty_text", "list"})
    cases = [(one, name) for one in types for name in (PAYLOADS if one == "VideoWorkflow" else some)]
    await asyncio.gather(*(start(workflow_type, name) for workflow_type, name in cases))
    takes_nothing = {one for one in workflow_names() if start_type(one) is None}
    expected: dict[bool, Any] = {
        True: ("", False, []),
        False: ("InvalidRequest", True, []),
    }  # what takes nothing looks at nothing
    assert {case: end for case, end in ends.items() if end != expected[case[0] in takes_nothing]} == {}
    assert len(ends) == len(cases)


async def handlers(handle: WorkflowHandle[Any, Any]) -> Mapping[str, list[str]]:
    """Every name a running workflow listens to, also those registered while it runs."""
    metadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    defined = metadata.definition
    lists = {"signal": defined.signal_definitions, "query": defined.query_definitions}
    lists["update"] = defined.update_definitions
    names = {kind: [one.name for one in found if one.name] for kind, found in lists.items()}
    return {kind: [name for name in found if not name.startswith("__")] for kind, found in names.items()}


async def begin(raw: Raw, workflow_type: str) -> WorkflowHandle[Any, Any]:
    """A workflow that runs, whichever: with the smallest input that fits, or begun by its first signal."""
    request = request_for(workflow_type)
    if request is not None:
        return await raw.start(workflow_type, id_for(workflow_type, request), [_json(json.dumps(request).encode())])
    definition = workflow._Definition.must_from_class(workflow_names()[workflow_type])
    name, signal = next(iter(definition.signals.items()))
    assert signal.arg_types
    schema = TypeAdapter[Any](signal.arg_types[0]).json_schema()
    return await raw.client.start_workflow(
        workflow_type,
        id=id_for(workflow_type, None),
        task_queue=TaskQueue.STUDIO,
        start_signal=name,
        start_signal_args=[sample(schema, schema)],
    )


async def type_valid(handle: WorkflowHandle[Any, Any]) -> list[tuple[str, Sent]]:
    """Signals whose input fits, and means nothing: tickets, orders and workflows that do not exist."""
    workflow_type = (await handle.describe()).workflow_type
    signals = workflow._Definition.must_from_class(workflow_names()[workflow_type]).signals
    odd = []
    for name, signal in signals.items():
        for wanted in signal.arg_types or []:
            schema = TypeAdapter[Any](wanted).json_schema()
            values = [sample(schema, schema, rich=rich) for rich in (False, True)]
            odd += [(name or "", [_json(json.dumps(value).encode())]) for value in values]
    return odd


async def bombard(raw: Raw, handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Send everything to everything, and a little to what it does not have; returns what was answered wrongly."""
    found = await handlers(handle)
    sent = {kind: [(name, case) for name in names for case in PAYLOADS] for kind, names in found.items()}
    for cases in sent.values():
        cases += [("Resume", case) for case in ("none", "two", "binary_null", "unknown_encoding")]

    async def ask(name: str, case: str) -> str | None:
        refused = await raw.query(handle.id, name, PAYLOADS[case])
        right = (
            "has no query Resume" in refused if name == "Resume" else not refused or name not in ("progress", "state")
        )
        return None if right else f"query {name} {case}: {refused}"

    async def change(name: str, case: str) -> str | None:
        kind, reason = await raw.update(handle.id, name, PAYLOADS[case])
        expected = (kind == "InvalidRequest" and reason) or (kind == "" and name != "Resume")
        return None if expected else f"update {name} {case}: {kind} {reason}"

    signals = [(name, PAYLOADS[case]) for name, case in sent["signal"]] + await type_valid(handle)
    for some in range(0, len(signals), AT_ONCE):
        await asyncio.gather(*(raw.signal(handle.id, *signal) for signal in signals[some : some + AT_ONCE]))
        await handlers(handle)  # all of them were taken
    wrong = [await change(name, case) for name, case in sent["update"]]  # ten at once are the most
    wrong += [await ask(name, case) for name, case in sent["query"]]
    return [one for one in wrong if one]


async def test_no_signal_update_or_query_stops_a_workflow_that_runs(spine: Client) -> None:
    raw, found = Raw(spine), {}

    async def attack(workflow_type: str) -> None:
        handle = await begin(raw, workflow_type)
        wrong = await bombard(raw, handle)
        status = (await handle.describe()).status
        found[workflow_type] = (wrong, await failed_tasks(handle), status and status.name)

    others = [one for one in workflow_names() if one != "GateWorkflow"]  # which has the next test
    await asyncio.gather(*map(attack, others))
    assert found == dict.fromkeys(others, ([], [], "RUNNING"))


async def test_a_workflow_that_was_sent_everything_still_does_its_work(spine: Client) -> None:
    """The gate stands for all: it needs no activity to work."""
    raw = Raw(spine)
    gate = await spine.start_workflow(
        GateWorkflow.run, GateState(limit=1), id=KLING_GATE_ID, task_queue=TaskQueue.STUDIO
    )
    ticket = {
        "name": "t",
        "workflow_id": "video/a/b",
        "first_run_id": "r",
        "channel": "a",
        "video_id": "b",
        "number": 1,
    }
    for odd in ({"workflow_id": ""}, {"workflow_id": "x" * 2_000}, {"workflow_id": "\u00e9" * 300}, {"name": ""}):
        await raw.signal(KLING_GATE_ID, "enter", [_json(json.dumps([ticket | odd]).encode())])
    for odd_id in ("", "x" * 2_000, "a b"):
        await raw.signal(KLING_GATE_ID, "stand_by", [_json(json.dumps(odd_id).encode())])
    assert await bombard(raw, gate) == []
    closing = json.dumps({"reason": "r" * 300_000, "credits": None}).encode()
    await raw.signal(KLING_GATE_ID, "trip", [_json(closing)])
    closed = (await gate.query(GateWorkflow.state)).closed
    assert closed is not None and len(closed) < 2_000
    await raw.signal(KLING_GATE_ID, "resume", PAYLOADS["binary_null"])
    await gate.execute_update(GateWorkflow.set_limit, 1)
    before = (await gate.query(GateWorkflow.state)).granted
    await gate.signal(GateWorkflow.enter, [Ticket.model_validate(ticket)])
    state = await eventually(lambda: gate.query(GateWorkflow.state), lambda state: state.granted > before)
    assert (state.closed, state.limit) == (None, 1)
    assert await failed_tasks(gate) == []


async def test_a_payload_with_a_byte_order_mark_or_odd_whitespace_is_read(spine: Client) -> None:
    """As editors save files, and shells send their lines."""
    raw = Raw(spine)
    gate = await spine.start_workflow(
        GateWorkflow.run, GateState(limit=0), id=KLING_GATE_ID, task_queue=TaskQueue.STUDIO
    )
    limits = [b"\xef\xbb\xbf1", b" \r\n2\t", b"\xef\xbb\xbf\r\n 3 \r\n", b"\n4"]
    for limit, data in enumerate(limits, start=1):
        assert await raw.update(KLING_GATE_ID, "set_limit", [_json(data)]) == ("", ""), data
        assert (await gate.query(GateWorkflow.state)).limit == limit
    sent = b'\xef\xbb\xbf \r\n{"channel" :\t"a" ,\r\n "weight":2.5 }\n'
    assert await raw.update(KLING_GATE_ID, "set_weight", [_json(sent)]) == ("", "")
    await raw.signal(KLING_GATE_ID, "trip", [_json(b'\xef\xbb\xbf\n"by hand"\r\n')])
    assert (await gate.query(GateWorkflow.state)).closed == "by hand"
    request = request_for("VideoWorkflow")
    marked = b"\xef\xbb\xbf\r\n" + json.dumps(request, indent="\t").encode() + b"\r\n"
    handle = await raw.start("VideoWorkflow", id_for("VideoWorkflow", request), [_json(marked)])
    assert (await handle.query(VideoWorkflow.progress)).total == 1
    assert (await failed_tasks(handle), await failed_tasks(gate)) == ([], [])


async def test_an_update_that_does_not_fit_is_rejected_before_it_is_accepted(spine: Client) -> None:
    raw = Raw(spine)
    gate = await spine.start_workflow(
        GateWorkflow.run, GateState(limit=1), id=KLING_GATE_ID, task_queue=TaskQueue.STUDIO
    )
    for name in ("set_limit", "set_weight", "no_such_update"):
        for case in ("none", "two", "binary_null", "unknown_encoding", "empty_text", "list", "bool", "deep"):
            kind, reason = await raw.update(KLING_GATE_ID, name, PAYLOADS[case])
            assert (kind, bool(reason)) == ("InvalidRequest", True), (name, case)
    assert await raw.update(KLING_GATE_ID, "set_limit", PAYLOADS["none"]) == (
        "InvalidRequest",
        "takes one input, 0 were sent",
    )
    assert [event async for event in gate.fetch_history_events() if event.event_type == ACCEPTED] == []


async def test_what_a_workflow_hands_to_its_next_run_nobody_else_may_set(spine: Client) -> None:
    raw, forged = Raw(spine), {}
    for workflow_type in WORKFLOW_IDS:
        contract = start_type(workflow_type)
        assert contract is not None and issubclass(contract, Contract)
        schema = contract.model_json_schema()
        for name, field in contract.model_fields.items():
            if SetByWorkflow in field.metadata:
                forged[workflow_type, name] = sample(schema["properties"][name], schema, rich=True)
    assert {("VideoWorkflow", "carried"), ("ProjectWorkflow", "carried"), ("GateWorkflow", "held")} <= forged.keys()
    for (workflow_type, name), value in forged.items():
        request = request_for(workflow_type) or {}
        sent = [_json(json.dumps(request | {name: value}).encode())]
        handle = await raw.start(workflow_type, id_for(workflow_type, request), sent)
        kind, reason = await how_it_ended(handle)
        assert kind == "InvalidRequest" and reason.startswith(f"{name}: set by the workflow itself"), reason
        assert await failed_tasks(handle) == []


async def test_a_cron_run_is_no_continued_run(spine: Client) -> None:
    """Its input is that of the first run: whoever started that wrote it."""
    request = request_for("VideoWorkflow") or {}
    sent = [_json(json.dumps(request).encode())]
    handle = await Raw(spine).start("VideoWorkflow", "video/a/a", sent, cron_schedule="@every 1s")
    with pytest.raises(WorkflowContinuedAsNewError):
        await handle.result(follow_runs=False)
    last = [event async for event in handle.fetch_history_events()][-1]
    assert "cron schedule" in last.workflow_execution_failed_event_attributes.failure.message


async def test_a_workflow_is_started_under_its_own_id_alone(spine: Client) -> None:
    raw = Raw(spine)
    for workflow_type in WORKFLOW_IDS:
        request = request_for(workflow_type)
        right = id_for(workflow_type, request)
        for wrong in ("my-video-1", right + "\u00e9", right.upper()):
            handle = await raw.start(workflow_type, wrong, [_json(json.dumps(request).encode())])
            kind, reason = await how_it_ended(handle)
            assert kind == "InvalidRequest" and right in reason and wrong in reason, (workflow_type, reason)


@pytest.mark.parametrize("cached", [1_000, 0])
async def test_an_activity_whose_result_cannot_be_read_has_failed(temporal: Client, cached: int) -> None:
    """A worker of another version, or `temporal activity complete`, may give back anything."""

    @activity.defn(name="plan_sentence")
    async def plan_sentence(wanted: dict[str, Any]) -> str:
        return "a plan in another language"

    served = Worker(
        temporal,
        task_queue=TaskQueue.STUDIO,
        workflows=[ImageWorkflow],
        activities=[plan_sentence],
        max_cached_workflows=cached,
    )
    async with served:
        request = SentenceRequest(channel="a", project_id="a", sentence_id="a")
        handle = await temporal.start_workflow(
            ImageWorkflow.run, request, id=image_workflow_id("a", "a", "a"), task_queue=TaskQueue.STUDIO
        )
        kind, reason = await how_it_ended(handle)
        assert (kind, await failed_tasks(handle)) == (INVALID_RESULT, [])
        assert reason == (
            'plan_sentence returned what cannot be read: must be an object, not "a plan in another language"'
        )


async def test_a_field_nobody_knows_is_refused_with_the_name_that_was_meant(spine: Client) -> None:
    """A budget that is not applied must not stay unseen."""
    raw = Raw(spine)
    request = request_for("VideoWorkflow") or {}
    clip = request["clips"][0]
    slips: list[tuple[dict[str, Any], str]] = [
        ({"budgetUsd": 5}, "budgetUsd is unknown; did you mean budget_usd?"),
        ({"BudgetUSD": 5}, "BudgetUSD is unknown; did you mean budget_usd?"),
        ({"clips": [clip | {"secnds": 10}]}, "clips.0.secnds is unknown; did you mean seconds?"),
        ({"clips": [clip | {"still": clip["still"] | {"mimeType": "a"}}]}, "clips.0.still.mimeType is unknown"),
        ({"zebra": None}, "zebra is unknown"),
        ({"video_id": None, "videoId": "f"}, "video_id: is missing (videoId is unknown; did you mean video_id?)"),
    ]
    for change, said in slips:
        sent = [_json(json.dumps(request | change).encode())]
        handle = await raw.start("VideoWorkflow", id_for("VideoWorkflow", request), sent)
        assert await how_it_ended(handle) == ("InvalidRequest", said)
        assert await raw.query(handle.id, "progress", []) in ("", said)  # that of a request nobody could read: the same
        assert await failed_tasks(handle) == []


async def test_a_video_that_was_sent_everything_is_made(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> None:
    """While its clips wait for a worker it is bombarded; one of all those signals stops a clip, as it should."""
    async with AsyncExitStack() as stack:
        studio = make_studio(temporal, database_url, kie, tmp_path, stack)
        await studio.open(TaskQueue.STUDIO)
        handle = await studio.start(await studio.request(clips=2, provider=Provider.ANIMATIC))
        await eventually(
            lambda: handle.query(VideoWorkflow.progress), lambda p: p.clips[0].status is ClipStatus.RENDERING
        )
        assert await bombard(Raw(temporal), handle) == []
        await studio.open(TaskQueue.MEDIA)
        await handle.signal("resume", 7)
        assert (await handle.result()).frames > 0
        assert await failed_tasks(handle) == []
