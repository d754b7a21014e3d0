"""A video's workflow: found, started, replaced, looked at. Typed calls; the commands around them only speak."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from pydantic import ValidationError
from temporalio.client import WorkflowExecutionDescription, WorkflowExecutionStatus, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from commands.session import WRONG_INPUT, Session, fail
from commands.table import SETTLED
from studio.contracts.texts import markdown
from studio.contracts.video import VideoName, VideoProgress, VideoRequest, VideoResult
from studio.errors import InvalidRequest
from workflows_temporal.addresses import VIDEO_WORKFLOW, TaskQueue, video_workflow_id
from workflows_temporal.executions import Executions, is_no_such_workflow

if TYPE_CHECKING:  # it imports every activity: most of a second
    from workflows_temporal.video import VideoWorkflow

MOST_RUNS = 1_000
"""Runs of videos that are searched for a name which PostgreSQL does not know."""

Handle: TypeAlias = "WorkflowHandle[VideoWorkflow, VideoResult]"
Change = Callable[[VideoRequest], Awaitable[VideoRequest]]


@dataclass(frozen=True)
class Standing:
    """What a video was last asked to be, and whether it is at it."""

    request: VideoRequest
    running: bool


@dataclass(frozen=True)
class Restarted:
    """A video that was changed and started anew."""

    handle: Handle
    request: VideoRequest
    replaced: bool
    """It ran, or waited for somebody; that run has ended."""


async def start_video(session: Session, video: VideoRequest, *, replacing: str | None = None) -> Handle:
    """Start a video's workflow. One that runs already is refused, or, with a reason, ended and replaced.

    Replacing loses nothing: takes and orders, those on their way too, are found again by what they are made from.

    Raises:
        WorkflowAlreadyStartedError: it runs, and nobody said why it should be replaced.
    """
    await session.videos.announce(video, video_workflow_id(video.channel, video.video_id))
    conflict = WorkflowIDConflictPolicy.TERMINATE_EXISTING if replacing else WorkflowIDConflictPolicy.FAIL
    handle: Handle = await session.temporal.start_workflow(
        VIDEO_WORKFLOW,
        video,
        result_type=VideoResult,
        id=video_workflow_id(video.channel, video.video_id),
        task_queue=TaskQueue.STUDIO,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        id_conflict_policy=conflict,
        static_summary=f"{markdown(video.title or video.video_id)}: {len(video.clips)} clips by {video.provider}",
        static_details=replacing,
    )
    return handle


async def restart_video(session: Session, video: VideoName, why: str, change: Change) -> Restarted:
    """Change what a video is asked to be, and start it anew. One change at a time: none gets lost.

    Raises:
        InvalidRequest: there is no such video, or it cannot be changed so; nothing has happened.
    """
    async with session.videos.turn(video.channel, video.video_id):
        now = await standing(session, video)
        if now is None:
            raise InvalidRequest(f"No video is called {video.channel}/{video.video_id}")
        request = await change(now.request)
        if await session.videos.request(video.channel, video.video_id) == now.request:
            # Its budget was set when it began. If somebody has changed it since, that stands.
            request = request.model_copy(update={"budget_usd": None})
        handle = await start_video(session, request, replacing=why)
    return Restarted(handle, request, replaced=now.running)


async def standing(session: Session, video: VideoName) -> Standing | None:
    """What a video was last asked to be; None when there is no such video.

    The newest run's input is newer than PostgreSQL until that run has written it down. One that failed was refused:
    then PostgreSQL has the last that was not, if there ever was one.
    """
    handle = handle_of(session, video)
    description = await _described(handle)
    status = description.status if description else None
    if status not in (None, WorkflowExecutionStatus.FAILED) and (asked := await _input(session, handle)):
        return Standing(asked, running=status is WorkflowExecutionStatus.RUNNING)
    request = await session.videos.request(video.channel, video.video_id)
    if request is None and description is not None:
        request = await _input(session, handle)
    return None if request is None else Standing(request, running=False)


async def _input(session: Session, handle: Handle) -> VideoRequest | None:
    """What the newest run was started with; None when it cannot be read."""
    async for event in handle.fetch_history_events(page_size=1):
        given = event.workflow_execution_started_event_attributes.input.payloads
        try:
            decoded = await session.temporal.data_converter.decode(given, [VideoRequest] * len(given))
        except (ApplicationError, ValueError):  # the workflow was refused for the same reason
            return None
        match decoded:
            case [VideoRequest() as request]:
                return request.model_copy(update={"carried": None})
        return None
    return None


async def request_of(session: Session, video: VideoName) -> VideoRequest:
    """What a video was last asked to be; ends the command when there is no such video."""
    now = await standing(session, video)
    return now.request if now else no_such_video(video)


def no_such_video(video: VideoName) -> NoReturn:
    """End the command: there is no video of this name."""
    fail(f"No video is called {video.channel}/{video.video_id} - `video list` shows all", code=WRONG_INPUT)


async def name_of(session: Session, video: str) -> VideoName:
    """A video by CHANNEL/VIDEO, or by VIDEO alone when there is only one.

    A service that starts a video writes no row: then Temporal knows it before PostgreSQL does.
    """
    channel, _, name = video.rpartition("/")
    if not channel:
        channels = [row.channel for row in await session.videos.find(video_id=name)]
        channels = channels or await Executions(session.temporal).named(name, limit=MOST_RUNS)
        if len(channels) != 1:
            known = ", ".join(f"{one}/{name}" for one in channels)
            unknown = f"No video is called {name} - `video list` shows all"
            fail(f"Which one? {known}" if channels else unknown, code=WRONG_INPUT)
        channel = channels[0]
    try:
        return VideoName(channel=channel, video_id=name)
    except ValidationError:
        fail(f"{video} is no video's name: CHANNEL/VIDEO, each of letters, digits, - and _", code=WRONG_INPUT)


def handle_of(session: Session, video: VideoName) -> Handle:
    """The newest run of a video's workflow, if there is one."""
    workflow_id = video_workflow_id(video.channel, video.video_id)
    handle: Handle = session.temporal.get_workflow_handle(workflow_id, result_type=VideoResult)
    return handle


async def _described(handle: Handle) -> WorkflowExecutionDescription | None:
    try:
        return await handle.describe()
    except RPCError as error:
        if is_no_such_workflow(error):
            return None
        raise


async def look(handle: Handle, *, within: timedelta | None = None) -> VideoProgress:
    """How a video stands, from its workflow."""
    progress: VideoProgress = await handle.query("progress", result_type=VideoProgress, rpc_timeout=within)
    return progress


async def settled(look: Callable[[], Awaitable[VideoProgress]]) -> VideoProgress:
    """Wait, without a word, until a video does nothing more by itself."""
    while True:
        progress = await look()
        if progress.status in SETTLED:
            return progress
        await asyncio.sleep(0.5)
