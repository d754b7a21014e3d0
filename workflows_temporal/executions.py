"""How videos' workflows stand or ended, from Temporal itself: for rows that none of our code could bring up to date."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from temporalio.api.common.v1 import WorkflowExecution as WorkflowExecutionId
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistoryEventFilterType,
)
from temporalio.service import RPCError, RPCStatusCode

from studio.contracts.excerpt import excerpt
from studio.contracts.execution import Execution
from studio.contracts.size import NEXT_RUN_TOO_LARGE
from studio.contracts.video import LONGEST_MESSAGE, VideoResult, VideoStatus
from studio.errors import InvalidRequest
from workflows_temporal.addresses import VIDEO_STATUS, video_name

ANSWER = timedelta(seconds=10)
"""Longest time one look at Temporal may take."""
MOST_RUNS = 1_000
"""Runs of one workflow id that are deleted at once; after that the command is repeated."""
_VIDEOS = "WorkflowType = 'VideoWorkflow'"
_WITHOUT_RESULT = "ExecutionStatus IN ('Failed', 'Terminated', 'TimedOut', 'Canceled')"
_STATUSES = MappingProxyType(
    {
        WorkflowExecutionStatus.COMPLETED: VideoStatus.VIDEO_READY,
        WorkflowExecutionStatus.FAILED: VideoStatus.FAILED,
        WorkflowExecutionStatus.CANCELED: VideoStatus.CANCELLED,
        WorkflowExecutionStatus.TERMINATED: VideoStatus.TERMINATED,
        WorkflowExecutionStatus.TIMED_OUT: VideoStatus.TIMED_OUT,
    }
)
_OF_FAILURES = MappingProxyType(
    {InvalidRequest.__name__: VideoStatus.REFUSED, NEXT_RUN_TOO_LARGE: VideoStatus.VIDEO_ERROR}
)
"""By error type; every other failure is `failed`."""


class Executions:
    """Looks at videos' workflows."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def find(self, workflow_id: str) -> Execution | None:
        """The newest run; None: Temporal does not know the workflow, or it is no video's.

        Raises:
            RPCError: Temporal does not answer.
        """
        name = video_name(workflow_id)
        if name is None:
            return None
        handle = self._client.get_workflow_handle(workflow_id)
        try:
            description = await handle.describe(rpc_timeout=ANSWER)
        except RPCError as error:
            if is_no_such_workflow(error):
                return None
            raise
        channel, video_id = name
        return Execution(
            channel=channel,
            video_id=video_id,
            workflow_id=workflow_id,
            started=_milliseconds(description.start_time),
            closed=_milliseconds(description.close_time) if description.close_time else 0,
            **await self._standing(description),
        )

    async def result(self, workflow_id: str) -> VideoResult | None:
        """What the newest run returned; None when this version cannot read it."""
        handle = self._client.get_workflow_handle(workflow_id, result_type=VideoResult)
        result = await handle.result(rpc_timeout=ANSWER)
        return result if isinstance(result, VideoResult) else None

    async def forget(self, workflow_id: str) -> None:
        """Delete every run of a workflow, with its history, and wait until Temporal does not know it any more.

        Raises:
            TimeoutError: Temporal takes longer than a minute; it goes on with it.
        """
        runs = [one.run_id async for one in self._list(f"WorkflowId = '{workflow_id}'", MOST_RUNS)]
        for run_id in runs:
            run = WorkflowExecutionId(workflow_id=workflow_id, run_id=run_id)
            request = DeleteWorkflowExecutionRequest(namespace=self._client.namespace, workflow_execution=run)
            try:
                await self._client.workflow_service.delete_workflow_execution(request, timeout=ANSWER)
            except RPCError as error:
                if error.status != RPCStatusCode.NOT_FOUND:
                    raise
        async with asyncio.timeout(60):
            while True:
                if await self.find(workflow_id) is None:
                    return
                await asyncio.sleep(0.2)

    async def closed(self, *, limit: int) -> dict[str, int]:
        """Videos' workflows that closed without a result, the newest first, and when those runs began (ms)."""
        runs = [one async for one in self._list(f"{_VIDEOS} AND {_WITHOUT_RESULT}", limit)]
        return {one.id: _milliseconds(one.start_time) for one in reversed(runs)}

    async def running(self, *, limit: int) -> list[str]:
        """Ids of videos' workflows that run."""
        return [one.id async for one in self._list(f"{_VIDEOS} AND ExecutionStatus = 'Running'", limit)]

    async def named(self, video_id: str, *, limit: int) -> list[str]:
        """Channels that have a video of this name, among the newest `limit` runs."""
        names = [video_name(one.id) async for one in self._list(_VIDEOS, limit)]
        return sorted({name[0] for name in names if name is not None and name[1] == video_id})

    def _list(self, query: str, limit: int) -> AsyncIterator[WorkflowExecution]:
        return self._client.list_workflows(query, limit=limit, rpc_timeout=ANSWER)

    async def _standing(self, description: WorkflowExecutionDescription) -> dict[str, Any]:
        status = _STATUSES.get(description.status) if description.status else None
        if status is None:
            told = description.typed_search_attributes.get(VIDEO_STATUS)
            return {"running": True, "status": told or VideoStatus.QUEUED}
        if status is not VideoStatus.VIDEO_READY:
            handle = self._client.get_workflow_handle(description.id, run_id=description.run_id)
            status, message = await _reason(handle, status)
            message = excerpt(message, characters=LONGEST_MESSAGE, most_bytes=4 * LONGEST_MESSAGE)
            return {"running": False, "status": status, "message": message}
        return {"running": False, "status": status}


def is_no_such_workflow(error: RPCError) -> bool:
    """Is there no workflow of that id? A namespace that does not exist has the same status."""
    return error.status == RPCStatusCode.NOT_FOUND and "namespace" not in error.message.lower()


async def _reason(handle: WorkflowHandle[Any, Any], status: VideoStatus) -> tuple[VideoStatus, str]:
    """How the run ended, from its last event."""
    last = HistoryEvent()
    kind = WorkflowHistoryEventFilterType.CLOSE_EVENT
    async for event in handle.fetch_history_events(event_filter_type=kind, rpc_timeout=ANSWER):
        last = event
    match last.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            failure = _root(last.workflow_execution_failed_event_attributes.failure)
            return _OF_FAILURES.get(failure.application_failure_info.type, status), failure.message
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            given = last.workflow_execution_terminated_event_attributes
            return status, f"Terminated: {given.reason or 'no reason was given'}"
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            return status, "The timeout that was set when it was started has passed"
    return status, "Cancelled"


def _root(failure: Failure) -> Failure:
    """A step's own failure instead of the one that says that a step failed."""
    while failure.HasField("cause") and not failure.HasField("application_failure_info"):
        failure = failure.cause
    return failure


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000)
