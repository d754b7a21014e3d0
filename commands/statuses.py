"""The true status of a video at the moment of asking, whether its workflow runs, has ended, or is forgotten."""

from dataclasses import dataclass

from temporalio.client import RPCTimeoutOrCancelledError, WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from commands.failures import NO_WORKER
from commands.running import handle_of, look, name_of, no_such_video
from commands.session import Session
from studio.contracts.execution import Execution
from studio.contracts.video import VideoName, VideoProgress
from studio.store.costs import CostStore
from studio.store.video_endings import VideoEndings
from workflows_temporal.addresses import video_workflow_id
from workflows_temporal.executions import ANSWER, Executions

_NOT_SERVED = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED, RPCStatusCode.FAILED_PRECONDITION)
"""What a query is answered with when no worker takes it."""


@dataclass(frozen=True)
class Seen:
    """A video's status, and where it is from."""

    name: VideoName
    progress: VideoProgress
    running: bool
    """Its workflow runs, or waits for `resume`."""
    note: str = ""
    """Why its workflow was not asked, when it should have been."""

    @property
    def called(self) -> str:
        """The video as people name it."""
        return f"{self.name.channel}/{self.name.video_id}"


def how_it_ended(seen: Seen) -> str:
    """How a video ended, for a person who wanted it to run."""
    progress = seen.progress
    return f"{seen.called} has ended: {progress.status}{f', {progress.message}' if progress.message else ''}"


async def see(session: Session, video: str) -> Seen:
    """A video's status by CHANNEL/VIDEO, or by VIDEO alone; ends the command when there is no such video.

    What Temporal knows and PostgreSQL does not is written down on the way.
    """
    return await see_named(session, await name_of(session, video))


async def see_named(session: Session, name: VideoName) -> Seen:
    """The same, by its whole name."""
    workflow_id = video_workflow_id(name.channel, name.video_id)
    executions, endings = Executions(session.temporal), VideoEndings(session.database)
    row = (await endings.rows([workflow_id])).get(workflow_id)
    execution = await executions.find(workflow_id)
    await endings.write(execution, row, executions.result)
    if execution is not None and execution.running:
        return await _running(session, name, execution)
    progress = await session.videos.progress(name.channel, name.video_id)
    return Seen(name, progress, running=False) if progress else no_such_video(name)


async def _running(session: Session, name: VideoName, execution: Execution) -> Seen:
    """Asked of the workflow; without a worker, as it was last written down. The cost is always that of the orders."""
    note = ""
    try:
        progress = await look(handle_of(session, name), within=ANSWER)
    except (RPCTimeoutOrCancelledError, RPCError) as error:
        if isinstance(error, RPCError) and error.status not in _NOT_SERVED:
            raise
        progress, note = await _written(session, name, execution), NO_WORKER
    except WorkflowQueryFailedError as error:
        progress, note = await _written(session, name, execution), str(error)
    cost = await CostStore(session.database).cost(name.channel, name.video_id)
    progress = progress.model_copy(update={"cost_usd": cost.cost_usd})
    return Seen(name, progress, running=True, note=note)


async def _written(session: Session, name: VideoName, execution: Execution) -> VideoProgress:
    written = await session.videos.progress(name.channel, name.video_id)
    if written is not None and not written.status.ended:
        return written
    # It was started a moment ago: no worker has written anything about this run yet.
    return VideoProgress(
        channel=name.channel,
        video_id=name.video_id,
        status=execution.status,
        step="started",
        total=0,
        done=0,
        cost_usd="0",
    )
