"""A gate that has lost its line, or has no room in it: videos that wait are let in all the same, without anybody."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy

from activities.tickets import TicketActivities
from simulators.kie import KieSimulator
from studio.contracts.gate import GateState, Ticket
from tests.studio_at_work import GateHandle, Handle, StudioAtWork, eventually, make_studio
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.fair_queue import MOST_WAITING
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow


@pytest.fixture
async def studio(temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path) -> AsyncIterator[StudioAtWork]:
    """A studio whose videos hand their tickets in again after a fifth of a second."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(temporal, database_url, kie, tmp_path, stack, gate_ask_again_seconds=0.2)
        await at_work.open()
        yield at_work


@pytest.fixture
async def gate(studio: StudioAtWork) -> GateHandle:
    """A gate that lets nobody in."""
    return await new_gate(studio, limit=0)


async def new_gate(studio: StudioAtWork, *, limit: int) -> GateHandle:
    """A gate made anew; one that is there is terminated."""
    return await studio.temporal.start_workflow(
        GateWorkflow.run,
        GateState(limit=limit, sweep_seconds=0.2),
        id=KLING_GATE_ID,
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )


async def told(handle: Handle) -> int:
    """How often the video has handed its present tickets in again."""
    pending = (await handle.describe()).raw_description.pending_activities
    name = TicketActivities.keep_in_line.__name__
    return next((activity.attempt for activity in pending if activity.activity_type.name == name), 0)


async def test_a_gate_that_was_terminated_is_started_again_and_lets_in_those_who_waited(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    videos = [await studio.start(await studio.request(f"vid_{number}", clips=1)) for number in range(2)]
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    await gate.terminate()
    for video in videos:
        await video.result()
    assert kie.ledger.accepted == 2
    assert (await studio.gate_state()).limit == studio.settings.kling_slots


async def test_a_gate_made_anew_counts_what_the_provider_is_working_on(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> None:
    kie.configure(duration=(500, 500))
    async with AsyncExitStack() as stack:
        studio = make_studio(
            temporal,
            database_url,
            kie,
            tmp_path,
            stack,
            gate_ask_again_seconds=0.2,
            kling_slots=2,
        )
        await studio.open()
        first = await studio.start(await studio.request("vid_1", clips=2))
        await eventually(
            lambda: studio.rows("select id from submissions where state = 'accepted'"), lambda rows: len(rows) == 2
        )
        await new_gate(studio, limit=2)
        second = await studio.start(await studio.request("vid_2", clips=1))
        status = await eventually(studio.gate_state, lambda status: status.waiting == 1 and len(status.held) == 2)
        assert all(held.abandoned for held in status.held)
        assert kie.ledger.accepted == 2
        kie.advance(500)
        for video in (first, second):
            await video.result()
    assert kie.ledger.accepted == 3


async def test_a_gate_that_was_reset_to_before_they_came_lets_them_in(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    video = await studio.start(await studio.request(clips=2))
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    await studio.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=studio.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=KLING_GATE_ID),
            reason="an operator's",
            workflow_task_finish_event_id=await _first_task(gate),
            request_id="reset",
            reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
        )
    )
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    await studio.gate.execute_update(GateWorkflow.set_limit, 2)
    await video.result()
    assert kie.ledger.accepted == 2


async def test_a_video_that_waits_tells_the_gate_again_and_again_at_no_cost_in_its_history(
    studio: StudioAtWork, gate: GateHandle
) -> None:
    video = await studio.start(await studio.request(clips=1))
    await eventually(lambda: told(video), lambda times: times >= 2)
    before, times = (await video.describe()).history_length, await told(video)
    await eventually(lambda: told(video), lambda now: now >= times + 5)
    assert (await video.describe()).history_length == before
    await video.terminate()


async def test_a_video_there_is_no_room_for_says_so_and_is_let_in_as_soon_as_there_is(
    studio: StudioAtWork, gate: GateHandle
) -> None:
    others = [
        Ticket(
            name=f"other-{number}",
            workflow_id="video/other/gone",
            first_run_id="r",
            channel="other",
            video_id="gone",
            number=1,
        )
        for number in range(MOST_WAITING)
    ]
    await gate.signal(GateWorkflow.enter, others)
    video = await studio.start(await studio.request(clips=2, priority=5))
    await eventually(lambda: video.query(VideoWorkflow.progress), lambda p: "the line at the gate is full" in p.step)
    assert (await studio.gate_state()).waiting == MOST_WAITING
    await gate.signal(GateWorkflow.leave, [ticket.name for ticket in others])
    await eventually(lambda: video.query(VideoWorkflow.progress), lambda p: "the gate" not in p.step)
    await gate.execute_update(GateWorkflow.set_limit, 1)
    await video.result()


async def test_a_place_that_its_holder_does_not_know_is_given_back(studio: StudioAtWork, gate: GateHandle) -> None:
    """As after a reset: the gate believes that a video is inside, and the video waits for something else."""
    video = await studio.start(await studio.request(clips=1))
    await eventually(studio.gate_state, lambda status: status.waiting == 1)
    first_run = (await video.describe()).raw_description.workflow_execution_info.first_run_id
    stale = Ticket(
        name="stale", workflow_id=video.id, first_run_id=first_run, channel="poke1", video_id="vid_1", number=1
    )
    await gate.signal(GateWorkflow.enter, [stale.model_copy(update={"priority": 1})])
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    await gate.execute_update(GateWorkflow.set_limit, 1)
    await video.result()


async def _first_task(gate: GateHandle) -> int:
    async for event in gate.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            return event.event_id
    raise AssertionError("no workflow task")
