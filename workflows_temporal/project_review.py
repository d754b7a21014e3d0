"""A project compared with what would be made today."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.projects import ProjectActivities
from studio.contracts.project import ProjectName
from studio.contracts.project_draft import ProjectReview
from workflows_temporal.addresses import CHANNEL
from workflows_temporal.policies import CHECK, titled


@workflow.defn
class ProjectReviewWorkflow:
    """Says which pictures and clips a style, a model or a graph has made stale since, and what cannot be made."""

    @workflow.run
    async def run(self, name: ProjectName) -> ProjectReview:
        workflow.upsert_search_attributes([CHANNEL.value_set(name.channel)])
        policy = titled(CHECK, "compare")
        try:
            return await workflow.execute_activity_method(ProjectActivities.compare_project, name, **policy)
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None
            raise
