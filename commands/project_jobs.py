"""A project's workflows: written, compared, made, called off. Typed calls; the commands around them only speak."""

import asyncio
from collections.abc import Iterable

from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

from commands.jobs import status_of
from commands.session import WRONG_INPUT, Session, fail
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.project import ProjectName
from studio.contracts.project_draft import ProjectDraft, ProjectReview, WrittenProject
from studio.contracts.sentence import ProjectProgress, ProjectRequest, ProjectResult
from studio.contracts.texts import markdown
from studio.store.drafts import DraftStore
from studio.store.projects import ProjectStore
from workflows_temporal.addresses import (
    TaskQueue,
    clip_workflow_id,
    image_workflow_id,
    project_draft_workflow_id,
    project_review_workflow_id,
    project_workflow_id,
)
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.project_draft import ProjectDraftWorkflow
from workflows_temporal.project_review import ProjectReviewWorkflow

BatchHandle = WorkflowHandle[ProjectWorkflow, ProjectResult]

THINGS = {ModelCategory.IMAGE: "pictures", ModelCategory.VIDEO: "clips"}
ENDED = (Stage.DONE, Stage.FAILED, Stage.CANCELLED)
LOOK_SECONDS = 0.2
WRITE_SECONDS = 60.0
"""How long somebody waits for a worker that writes his project."""
COMPARE_SECONDS = 20.0
"""How long for a comparison: without one there are the flags of the last one."""


async def find_project(session: Session, name: str) -> ProjectName:
    """A project by CHANNEL/PROJECT, or by PROJECT alone when there is only one."""
    channel, _, project_id = name.rpartition("/")
    channels = await DraftStore(session.database).channels(project_id)
    found = [one for one in channels if channel in ("", one)]
    if not found:
        fail(f"No project is called {name}", code=WRONG_INPUT)
    if len(found) > 1:
        fail(f"Which one? {', '.join(f'{one}/{project_id}' for one in found)}", code=WRONG_INPUT)
    return ProjectName(channel=found[0], project_id=project_id)


async def write(session: Session, draft: ProjectDraft) -> WrittenProject:
    """Have a project written.

    Raises:
        WorkflowAlreadyStartedError: somebody writes it just now.
        WorkflowFailureError: it was refused.
        TimeoutError: no worker has done it yet.
    """
    handle = await session.temporal.start_workflow(
        ProjectDraftWorkflow.run,
        draft,
        id=project_draft_workflow_id(draft.channel, draft.project_id),
        task_queue=TaskQueue.STUDIO,
        static_summary=f"{markdown(draft.title or draft.project_id)}: {len(draft.sentences)} sentences",
    )
    async with asyncio.timeout(WRITE_SECONDS):
        return await handle.result()


async def compared(session: Session, project: ProjectName) -> ProjectReview | None:
    """A project compared with what would be made today; None: no worker has done it in time."""
    review = project_review_workflow_id(project.channel, project.project_id)
    try:
        handle = await session.temporal.start_workflow(
            ProjectReviewWorkflow.run, project, id=review, task_queue=TaskQueue.STUDIO
        )
    except WorkflowAlreadyStartedError:
        handle = session.temporal.get_workflow_handle_for(ProjectReviewWorkflow.run, review)
    try:
        async with asyncio.timeout(COMPARE_SECONDS):
            return await handle.result()
    except TimeoutError:
        return None


async def make(session: Session, request: ProjectRequest) -> BatchHandle:
    """Start a batch.

    Raises:
        WorkflowAlreadyStartedError: it is being made.
    """
    project = await ProjectStore(session.database).project(request.channel, request.project_id)
    title = project.title if project else ""
    return await session.temporal.start_workflow(
        ProjectWorkflow.run,
        request,
        id=project_workflow_id(request.channel, request.project_id, request.category),
        task_queue=TaskQueue.STUDIO,
        static_summary=f"{markdown(title or request.project_id)}: {THINGS[request.category]}",
    )


async def running(
    session: Session, project: ProjectName, categories: Iterable[ModelCategory] = ModelCategory
) -> dict[ModelCategory, BatchHandle]:
    """The batches of a project that are being made."""
    handles = {}
    for category in categories:
        batch = project_workflow_id(project.channel, project.project_id, category)
        handle = session.temporal.get_workflow_handle_for(ProjectWorkflow.run, batch)
        if await status_of(handle) is WorkflowExecutionStatus.RUNNING:
            handles[category] = handle
    return handles


async def look(handle: BatchHandle) -> ProjectProgress:
    """How a batch stands, from its workflow."""
    return await handle.query(ProjectWorkflow.progress)


async def stop_sentence(session: Session, project: ProjectName, sentence_id: str) -> list[str]:
    """Stop what is being made of a sentence, and wait until it has ended; returns which workflows were at it."""
    at_it = list[str]()
    for handle in (await running(session, project)).values():
        if _goes_on(await look(handle), sentence_id):
            at_it.append(handle.id)
            await handle.signal(ProjectWorkflow.stop, sentence_id)
            await _until_ended(handle, sentence_id)
    for workflow_id in (image_workflow_id, clip_workflow_id):
        single = session.temporal.get_workflow_handle(workflow_id(project.channel, project.project_id, sentence_id))
        if await status_of(single) is WorkflowExecutionStatus.RUNNING:
            at_it.append(single.id)
            await single.cancel()
            await asyncio.gather(single.result(), return_exceptions=True)
    return at_it


async def _until_ended(handle: BatchHandle, sentence_id: str) -> None:
    while True:
        if not _goes_on(await look(handle), sentence_id):
            return
        await asyncio.sleep(LOOK_SECONDS)


def _goes_on(progress: ProjectProgress, sentence_id: str) -> bool:
    return any(one.sentence_id == sentence_id and one.stage not in ENDED for one in progress.sentences)
