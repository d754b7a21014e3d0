"""A render whose activity was cancelled: is the server to stop, or does another worker go on?"""

import asyncio
from typing import Any

import structlog
from temporalio import activity
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError

from activities._comfy_render import Render

_log = structlog.get_logger()


async def called_off(render: Render, making: "asyncio.Task[Any]") -> None:
    """Only somebody's wish stops the server. When this worker ends, or is too late, another one goes on."""
    if await _somebody_wants_it_off():
        await render.call_off(making)
    else:
        making.cancel()
        await asyncio.wait([making])
    if not making.cancelled() and (error := making.exception()):
        _log.info("render.called_off", reason=str(error))


async def _somebody_wants_it_off() -> bool:
    """The render was cancelled, or its workflow was terminated; but not because a newer run has taken its place."""
    details, info = activity.cancellation_details(), activity.info()
    if details is None or not (details.cancel_requested or details.not_found):
        return False
    try:
        newest = await activity.client().get_workflow_handle(info.workflow_id or "").describe()
    except RPCError:
        return details.cancel_requested
    runs = newest.status is WorkflowExecutionStatus.RUNNING
    replaced = runs and newest.run_id != info.workflow_run_id
    return not replaced and (details.cancel_requested or not runs)
