"""Writing a project down, from any language."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.projects import ProjectActivities
from studio.contracts.project_draft import ProjectDraft, WrittenProject
from workflows_temporal.addresses import CHANNEL
from workflows_temporal.policies import CHECK, titled


@workflow.defn
class ProjectDraftWorkflow:
    """Writes a project with its sentences and characters, all or nothing. Nothing is made by it."""

    @workflow.run
    async def run(self, draft: ProjectDraft) -> WrittenProject:
        workflow.upsert_search_attributes([CHANNEL.value_set(draft.channel)])
        policy = titled(CHECK, f"{len(draft.sentences)} sentences")
        try:
            return await workflow.execute_activity_method(ProjectActivities.write_project, draft, **policy)
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None
            raise
