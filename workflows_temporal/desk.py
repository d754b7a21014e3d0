"""Deciding about an unresolved order: durable, and without the provider's key on the side of the person who decides."""

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from activities.desk import DeskActivities
from studio.contracts.clip import ClipId
from studio.contracts.desk import Decision, DecisionKind, OrderFound
from studio.contracts.take import LateOrder
from workflows_temporal.addresses import video_workflow_id
from workflows_temporal.late import look_after
from workflows_temporal.policies import DECIDE


@workflow.defn
class DeskWorkflow:
    """One decision: carried out, written down, and the videos told that want the clip; they go on by themselves."""

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
        """Every video that wants the clip goes on by itself. If none waits for this order, its clip becomes a take."""
        told = [await _told(clip) for clip in found.wanted_by]
        if found.task_id is not None and (found.superseded or not any(told)):
            await look_after(LateOrder(submission_id=found.submission_id, task_id=found.task_id, receipt=True))


async def _told(clip: ClipId) -> bool:
    """False: the video does not run."""
    video = workflow.get_external_workflow_handle(video_workflow_id(clip.channel, clip.video_id))
    try:
        await video.signal("order_decided", clip.number)
    except FailureError:
        return False
    return True
