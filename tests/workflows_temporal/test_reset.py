"""`temporal workflow reset`: a video that is made again from an earlier point finds its orders and buys nothing."""

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from simulators.kie import KieSimulator
from studio.contracts.video import VideoResult
from tests.studio_at_work import Handle, StudioAtWork


async def reset(studio: StudioAtWork, handle: Handle, workflow_task: int) -> Handle:
    """Reset to the n-th completed workflow task of a video's first run, as an operator does."""
    first = studio.temporal.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    tasks = [event.event_id async for event in first.fetch_history_events() if event.event_type == done]
    request = ResetWorkflowExecutionRequest(
        namespace=studio.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=first.run_id or ""),
        reason="an operator's",
        workflow_task_finish_event_id=tasks[workflow_task],
        request_id=f"reset to {workflow_task}",
    )
    run_id = (await studio.temporal.workflow_service.reset_workflow_execution(request)).run_id
    assert run_id != first.run_id
    return studio.temporal.get_workflow_handle(handle.id, run_id=run_id, result_type=VideoResult)


async def test_a_finished_video_that_is_reset_buys_nothing_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    handle = await studio.start(await studio.request(clips=2))
    first = await handle.result()
    for workflow_task in (0, 8, -2):
        again = await (await reset(studio, handle, workflow_task)).result()
        assert kie.ledger.accepted == 2, workflow_task
        assert again.total_cost_usd == first.total_cost_usd, workflow_task
        assert again.video.sha256 == first.video.sha256, workflow_task
