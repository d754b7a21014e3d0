"""An order that no film waits for any more: cancelled, too late, written off. What it gave was paid for."""

from contextlib import suppress

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.keeping import KeepingActivities
from activities.late import LateActivities
from activities.records import RecordActivities
from studio.contracts.clip import ClipId
from studio.contracts.keeping import ClipToKeep
from studio.contracts.take import LateClip, LateOrder, LateTake
from workflows_temporal.addresses import late_workflow_id
from workflows_temporal.policies import KEEP, LATE, RECORD


@workflow.defn
class LateClipWorkflow:
    """Brings one late clip home as a take; says whether there was one."""

    @workflow.run
    async def run(self, order: LateOrder) -> bool:
        clip = await workflow.execute_activity_method(LateActivities.await_late, order, **LATE)
        if clip is None:
            return False
        kept = await workflow.execute_activity_method(KeepingActivities.keep_clip, _to_keep(clip), **KEEP)
        late = LateTake(clip=clip, file=kept.file)
        await workflow.execute_activity_method(RecordActivities.record_late, late, **RECORD)
        return True


async def look_after(order: LateOrder) -> None:
    """Have somebody look after an order that its film does not wait for; once is enough."""
    with suppress(WorkflowAlreadyStartedError):
        await workflow.start_child_workflow(
            LateClipWorkflow.run,
            order,
            id=late_workflow_id(order.submission_id),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        )


def _to_keep(clip: LateClip) -> ClipToKeep:
    parts = clip.parts
    return ClipToKeep(
        clip=ClipId(channel=clip.channel, video_id=clip.video_id, number=clip.number),
        take=clip.take,
        task_id=clip.task_id,
        url=clip.url,
        seconds=parts.seconds,
        width=parts.width,
        height=parts.height,
        prompt=parts.prompt,
        camera=parts.camera,
        use=None,
    )
