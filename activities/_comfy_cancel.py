"""A render whose activity was cancelled: is the server to stop, or does somebody still want what it makes?"""

import asyncio
from typing import Any

import structlog
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from activities._comfy_render import Render
from studio.contracts.clip import ClipId
from studio.contracts.rendering import GraphToRender
from studio.contracts.video import VideoRequest
from studio.takes import takes_of

_log = structlog.get_logger()


async def called_off(render: Render, making: "asyncio.Task[Any]", order: GraphToRender) -> None:
    """Only somebody's wish stops the server. When this worker ends, or is too late, another one goes on."""
    if await _nobody_wants_it(order):
        await render.call_off(making)
    else:
        making.cancel()
        await asyncio.wait([making])
    if not making.cancelled() and (error := making.exception()):
        _log.info("render.called_off", reason=str(error))


async def _nobody_wants_it(order: GraphToRender) -> bool:
    """The render was cancelled, or its workflow was terminated; and no newer run of it wants the same."""
    details, info = activity.cancellation_details(), activity.info()
    if details is None or not (details.cancel_requested or details.not_found):
        return False
    handle = activity.client().get_workflow_handle(info.workflow_id or "")
    try:
        newest = await handle.describe()
        if newest.status is not WorkflowExecutionStatus.RUNNING:
            return True
        if newest.run_id == info.workflow_run_id:
            return details.cancel_requested
        return not await _is_wanted(order, handle)
    except RPCError:
        return details.cancel_requested


async def _is_wanted(order: GraphToRender, newer: WorkflowHandle[Any, Any]) -> bool:
    """Whether the newer run of a video has a clip of this take. Of sentences nobody knows: then it goes on."""
    if not isinstance(order.clip, ClipId):
        return True
    async for event in newer.fetch_history_events(page_size=1):
        given = event.workflow_execution_started_event_attributes.input.payloads
        (video,) = await activity.client().data_converter.decode(given, [VideoRequest])
        return order.take in {take for take, _ in takes_of(video)}
    return True
