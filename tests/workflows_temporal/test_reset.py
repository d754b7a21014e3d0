"""`temporal workflow reset`: a film that is made again from an earlier point finds its orders and buys nothing."""

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from simulators.kie import KieSimulator
from studio.contracts.film import VideoResult
from tests.studio_at_work import Handle, StudioAtWork


async def reset(studio: StudioAtWork, handle: Handle, workflow_task: int) -> Handle:
    """Reset to the n-th completed workflow task of a film, as an operator does."""
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    tasks = [event.event_id async for event in handle.fetch_history_events() if event.event_type == done]
    request = ResetWorkflowExecutionRequest(
        namespace=studio.temporal.namespace,
        workflow_execution=WorkflowExecution(workflow_id=handle.id),
        reason="an operator's",
        workflow_task_finish_event_id=tasks[workflow_task],
        request_id="reset",
    )
    run_id = (await studio.temporal.workflow_service.reset_workflow_execution(request)).run_id
    return studio.temporal.get_workflow_handle(handle.id, run_id=run_id, result_type=VideoResult)


@pytest.mark.parametrize("workflow_task", [0, 8, -2])
async def test_a_finished_film_that_is_reset_buys_nothing_again(
    studio: StudioAtWork, kie: KieSimulator, workflow_task: int
) -> None:
    handle = await studio.start(await studio.request(clips=3))
    first = await handle.result()
    again = await (await reset(studio, handle, workflow_task)).result()
    assert kie.ledger.accepted == 3
    assert again.total_cost_usd == first.total_cost_usd
    assert again.film.sha256 == first.film.sha256
