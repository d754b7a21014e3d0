"""A video as far as the gateway knows it: a workflow that takes the signal `called_back`."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from temporalio import workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from studio.contracts.callback import CalledBack
from workflows_temporal.addresses import video_workflow_id

CHANNEL = "poke1"


@workflow.defn
class CalledVideo:
    """Remembers who called."""

    def __init__(self) -> None:
        self._calls: list[CalledBack] = []

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.signal
    def called_back(self, callback: CalledBack) -> None:
        self._calls.append(callback)

    @workflow.query
    def calls(self) -> list[CalledBack]:
        return self._calls


PlaceOrder = Callable[..., Awaitable[str]]
Video = WorkflowHandle[CalledVideo, None]


async def start_video(temporal: Client, name: str = "vid_1") -> Video:
    return await temporal.start_workflow(CalledVideo.run, id=video_workflow_id(CHANNEL, name), task_queue="videos")


@asynccontextmanager
async def served(temporal: Client) -> AsyncIterator[None]:
    """Somebody works on the videos."""
    async with Worker(temporal, task_queue="videos", workflows=[CalledVideo]):
        yield


def address(*, video: str = "vid_1", clip: int | str = 7, channel: str = CHANNEL, intent: str | None = None) -> str:
    """Where a provider is asked to call back, from the gateway's root."""
    return f"/callbacks/kie/{intent or uuid.uuid4()}?channel={channel}&video={video}&clip={clip}"


def body(task_id: object = "task_sim_0001") -> dict[str, object]:
    """The least a callback has to say."""
    return {"code": 200, "data": {"taskId": task_id, "state": "success"}}
