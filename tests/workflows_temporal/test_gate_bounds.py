"""The gate at its bounds and at its ends: more tickets than it holds, requests to cancel it, its execution gone."""

import asyncio

import pytest
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.common import WorkflowIDConflictPolicy

from simulators.kie import KieSimulator
from studio.contracts.gate import GateState, Ticket, TicketsAfter
from tests.studio_at_work import GateHandle, StudioAtWork, eventually
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.fair_queue import MOST_WAITING
from workflows_temporal.gate import GateWorkflow

IN_ONE_SIGNAL = 100


async def begin(studio: StudioAtWork, limit: int) -> GateHandle:
    """A gate with so many places."""
    return await studio.temporal.start_workflow(
        GateWorkflow.run,
        GateState(limit=limit, sweep_seconds=0.2),
        id=KLING_GATE_ID,
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )


def ticket(number: int) -> Ticket:
    """One of a video that is gone, with long names; every video is another channel's."""
    channel, video_id = f"{number // IN_ONE_SIGNAL:0>100}", f"{number:0>100}"
    video = f"video/{channel}/{video_id}"
    return Ticket(
        name=f"{video}#clip_01@abcdef12",
        workflow_id=video,
        first_run_id="0" * 36,
        channel=channel,
        video_id=video_id,
        number=1,
    )


async def listed(gate: GateHandle) -> list[Ticket]:
    """All that wait, page by page; a gate that begins a new run meanwhile lists some again."""
    page = await gate.query(GateWorkflow.tickets, TicketsAfter(limit=200))
    waiting = page.tickets
    while page.more:
        page = await gate.query(GateWorkflow.tickets, TicketsAfter(after=waiting[-1].arrival, limit=200))
        waiting += page.tickets
    return list({one.ticket.name: one.ticket for one in waiting}.values())


async def failed_tasks(studio: StudioAtWork) -> list[str]:
    """Workflow tasks of the gate that the worker failed, in any of its runs.

    The server itself repeats a task when more signals came meanwhile than it buffers, or when one came as a run ended.
    """
    servers_own = (
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_FORCE_CLOSE_COMMAND,
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND,
    )
    failed = []
    async for run in studio.temporal.list_workflows(f"WorkflowId = '{KLING_GATE_ID}'"):
        handle = studio.temporal.get_workflow_handle(run.id, run_id=run.run_id)
        async for event in handle.fetch_history_events():
            failure = event.workflow_task_failed_event_attributes
            if event.HasField("workflow_task_failed_event_attributes") and failure.cause not in servers_own:
                failed.append(f"{WorkflowTaskFailedCause.Name(failure.cause)}: {failure.failure.message}")
    return failed


@pytest.mark.parametrize("offered", [4_000, pytest.param(10_000, marks=pytest.mark.slow)])
async def test_thousands_of_tickets_leave_a_gate_at_work_and_an_urgent_video_finds_room(
    studio: StudioAtWork, kie: KieSimulator, offered: int
) -> None:
    gate = await begin(studio, limit=0)
    turns = asyncio.Semaphore(50)

    async def offer(first: int) -> None:
        async with turns:
            await gate.signal(GateWorkflow.enter, [ticket(first + place) for place in range(IN_ONE_SIGNAL)])

    await asyncio.gather(*(offer(first) for first in range(0, offered, IN_ONE_SIGNAL)))
    status = await eventually(studio.gate_state, lambda status: status.waiting + status.refused == offered)
    assert 400 < status.waiting <= MOST_WAITING
    assert len(await listed(gate)) == status.waiting
    handle = await studio.start(await studio.request(clips=2, priority=1))
    await eventually(lambda: listed(gate), lambda tickets: sum(one.channel == "poke1" for one in tickets) == 2)
    await gate.execute_update(GateWorkflow.set_limit, 1)
    await handle.result()
    assert kie.ledger.accepted == 2
    assert await failed_tasks(studio) == []
    await gate.terminate()


async def test_a_request_to_cancel_the_gate_is_refused_and_those_who_wait_keep_their_places(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    gate = await begin(studio, limit=0)
    handle = await studio.start(await studio.request(clips=2))
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    for _ in range(2):
        run = (await studio.gate.describe()).run_id
        await studio.gate.cancel()
        await eventually(studio.gate.describe, lambda execution, run=run: execution.run_id != run)  # type: ignore[misc]
    assert (await studio.gate_state()).waiting == 2
    await gate.execute_update(GateWorkflow.set_limit, 1)
    await handle.result()
    assert (await studio.gate_state()).limit == 1
    assert kie.ledger.accepted == 2
    assert await failed_tasks(studio) == []
