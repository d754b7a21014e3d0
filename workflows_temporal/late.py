"""An order that no video waits for: cancelled, too late, written off. Its clip was paid for."""

from contextlib import suppress

from temporalio import workflow
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from activities.late import LateActivities
from activities.records import RecordActivities
from studio.contracts.clip import ClipId, RenderedClip
from studio.contracts.keeping import ClipToKeep
from studio.contracts.take import LateClip, LateOrder, LateTake
from workflows_temporal.addresses import KLING_GATE_ID, late_workflow_id
from workflows_temporal.ingest import ingest_clip
from workflows_temporal.policies import LATE, RECORD


@workflow.defn
class LateClipWorkflow:
    """Fetches one late clip as a take; returns whether there was one."""

    @workflow.run
    async def run(self, order: LateOrder) -> bool:
        clip = await workflow.execute_activity_method(LateActivities.await_late, order, **LATE)
        if clip is None:
            return False
        to_keep = _to_keep(clip)
        kept = await ingest_clip(to_keep, _rendered(clip, to_keep.clip), to_keep.clip.label)
        late = LateTake(clip=clip, file=kept.file)
        await workflow.execute_activity_method(RecordActivities.record_late, late, **RECORD)
        return True


async def look_after(order: LateOrder) -> None:
    """Have an order looked after that its video does not wait for; at most once at a time."""
    with suppress(WorkflowAlreadyStartedError):
        await workflow.start_child_workflow(
            LateClipWorkflow.run,
            order,
            id=late_workflow_id(order.submission_id),
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
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
        gate=KLING_GATE_ID,
        use=None,
    )


def _rendered(clip: LateClip, clip_id: ClipId) -> RenderedClip:
    return RenderedClip(
        clip=clip_id,
        task_id=clip.task_id,
        submission_id=clip.submission_id,
        url=clip.url,
        cost_usd=clip.cost_usd,
    )
