"""What can be watched: a video, a project's pictures or clips, a single one. Each is a workflow that can be asked."""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError

from commands.gpu import gpu_standing
from commands.session import WRONG_INPUT, Session, fail
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.sentence import ProjectProgress, ProjectResult, SentenceOutcome, SentenceStanding
from studio.contracts.video import VideoProgress, VideoResult
from studio.store.drafts import DraftStore
from workflows_temporal.addresses import project_workflow_id, video_workflow_id
from workflows_temporal.executions import is_no_such_workflow
from workflows_temporal.image import ImageWorkflow
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.sentence_clip import ClipWorkflow
from workflows_temporal.video import VideoWorkflow

AnyHandle = WorkflowHandle[Any, Any]


@dataclass(frozen=True)
class Told:
    """The same for programs and for people, about something: only what has changed is said again."""

    about: str
    value: dict[str, Any]
    words: list[str]


class Job(ABC):
    """A workflow that makes something."""

    about: str
    """What lines about all of it begin with."""
    result: type
    """What comes out."""

    def __init__(self, session: Session, handle: AnyHandle) -> None:
        self.handle = handle
        self._session = session

    async def look(self) -> list[Told]:
        """How it stands, and whether it waits for GPUs in vain."""
        told, gpu = await self._look(), await gpu_standing(self._session, self.handle)
        return [*told, Told("gpu", {"kind": "gpu", "away": gpu.away}, ["gpu", gpu.away])] if gpu.away else told

    @abstractmethod
    async def _look(self) -> list[Told]:
        """How it stands."""

    @abstractmethod
    def ended(self, result: Any) -> tuple[bool, str]:
        """Whether it ended well, and its result in words."""


class Video(Job):
    """A video."""

    about = "video"
    result = VideoResult

    async def _look(self) -> list[Told]:
        progress: VideoProgress = await self.handle.query(VideoWorkflow.progress)
        shown = progress.model_dump(mode="json", include={"status", "step", "done", "total", "message"})
        message = progress.message.partition("\n")[0]
        words = [f"{progress.status:<9}", f"{progress.done} of {progress.total} clips", message]
        return [Told(self.about, {"kind": "video"} | shown, [self.about, *words])]

    def ended(self, result: VideoResult) -> tuple[bool, str]:
        return True, f"ready: {result.summary}"


class Batch(Job):
    """The pictures or the clips of a project."""

    about = "project"
    result = ProjectResult

    async def _look(self) -> list[Told]:
        progress: ProjectProgress = await self.handle.query(ProjectWorkflow.progress)
        shown = progress.model_dump(mode="json", include={"category", "done", "failed", "total"})
        things = "pictures" if progress.category is ModelCategory.IMAGE else "clips"
        words = [
            f"{progress.done} of {progress.total} {things}",
            f"{progress.failed} failed" if progress.failed else "",
        ]
        given_up = [one for one in progress.sentences if one.stage is Stage.FAILED]
        return [Told(self.about, {"kind": "project"} | shown, [self.about, *words]), *map(_given_up, given_up)]

    def ended(self, result: ProjectResult) -> tuple[bool, str]:
        return not result.failed, f"ended: {result.summary}"


class Single(Job):
    """One sentence's picture or clip."""

    result = SentenceOutcome

    def __init__(self, session: Session, handle: AnyHandle) -> None:
        super().__init__(session, handle)
        kind, *_, self.about = handle.id.split("/")
        self._progress = ImageWorkflow.progress if kind == "image" else ClipWorkflow.progress

    async def _look(self) -> list[Told]:
        standing: SentenceStanding = await self.handle.query(self._progress)
        value = {"kind": "sentence"} | standing.model_dump(mode="json")
        return [Told("standing", value, [self.about, standing.stage])]

    def ended(self, result: SentenceOutcome) -> tuple[bool, str]:
        return True, f"ready: {result.file.key if result.file else ''}{', it was there' if result.reused else ''}"


KINDS: dict[str, tuple[int, type[Job]]] = {"video": (3, Video), "project": (4, Batch), "image": (4, Single)}
KINDS["clip"] = KINDS["image"]
"""First part of a workflow's id → how many parts it has, and what it is."""


def job_of(session: Session, workflow_id: str) -> Job:
    """The newest run of this workflow, if there is one."""
    _, kind = KINDS[workflow_id.partition("/")[0]]
    return kind(session, session.temporal.get_workflow_handle(workflow_id, result_type=kind.result))


async def find_job(session: Session, name: str) -> Job:
    """What somebody calls so: a workflow's id, VIDEO, CHANNEL/VIDEO or CHANNEL/PROJECT. What runs comes first."""
    ids = await _ids(session, name)
    standings = await asyncio.gather(*(status_of(session.temporal.get_workflow_handle(one)) for one in ids))
    there = {one: status for one, status in zip(ids, standings, strict=True) if status is not None}
    running = [one for one, status in there.items() if status is WorkflowExecutionStatus.RUNNING]
    found = running or list(there)
    if not found:
        await _tell_end(session, name)
        fail(f"Nothing is called {name}, or it was never started - `video list` shows videos", code=WRONG_INPUT)
    if len(found) > 1:
        fail(f"Which one? {', '.join(found)}", code=WRONG_INPUT)
    return job_of(session, found[0])


async def status_of(handle: AnyHandle) -> WorkflowExecutionStatus | None:
    """How its newest run stands; None: there is none."""
    try:
        return (await handle.describe()).status
    except RPCError as error:
        if is_no_such_workflow(error):
            return None
        raise


async def _tell_end(session: Session, name: str) -> None:
    """End the command if it is a video that Temporal has forgotten: PostgreSQL knows how it ended."""
    channel, _, video_id = name.removeprefix("video/").rpartition("/")
    for row in await session.videos.find(channel=channel or None, video_id=video_id, limit=1):
        called = f"{row.channel}/{row.video_id}"
        fail(f"{called} has ended: {row.status}, {row.message} - `video status {called}` shows it", code=WRONG_INPUT)


async def _ids(session: Session, name: str) -> list[str]:
    kind, *rest = name.split("/")
    if kind in KINDS and len(rest) + 1 == KINDS[kind][0]:
        return [name]
    channel, _, name = name.rpartition("/")
    channels = [channel] if channel else await _channels(session, name)
    batches = [project_workflow_id(one, name, category) for one in channels for category in ModelCategory]
    return [*(video_workflow_id(one, name) for one in channels), *batches]


async def _channels(session: Session, name: str) -> list[str]:
    """Channels that have a video or a project of this name."""
    videos = [row.channel for row in await session.videos.find(video_id=name)]
    return sorted({*videos, *await DraftStore(session.database).channels(name)})


def _given_up(standing: SentenceStanding) -> Told:
    value = {"kind": "sentence"} | standing.model_dump(mode="json")
    return Told(f"{standing.sentence_id} in the end", value, [standing.sentence_id, "given up:", standing.note])
