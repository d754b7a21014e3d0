"""Deciding about a lost order: durable, without a key of the provider's in the hands of whoever decides."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from activities.desk import DeskActivities
from studio.contracts.desk import Decision, DecisionKind, OrderFound
from studio.contracts.take import LateOrder
from workflows_temporal.addresses import video_workflow_id
from workflows_temporal.late import look_after
from workflows_temporal.policies import DECIDE


@workflow.defn
class DeskWorkflow:
    """One decision: carried out, written down, and its film told, which goes on by itself."""

    @workflow.run
    async def run(self, decision: Decision) -> OrderFound:
        try:
            found = await workflow.execute_activity_method(DeskActivities.decide_order, decision, **DECIDE)
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None  # the reason, where callers look first
            raise
        if decision.kind in (DecisionKind.ADOPT, DecisionKind.RESUBMIT):
            await self._tell(found)
        return found

    async def _tell(self, found: OrderFound) -> None:
        """The film goes on by itself. When it does not wait for this order any more, its clip becomes a take."""
        film = workflow.get_external_workflow_handle(video_workflow_id(found.channel, found.video_id))
        try:
            await film.signal("order_decided", found.number)
        except FailureError:
            await self._keep(found)
        else:
            if found.superseded:
                await self._keep(found)

    async def _keep(self, found: OrderFound) -> None:
        if found.task_id is not None:
            await look_after(LateOrder(submission_id=found.submission_id, task_id=found.task_id))
