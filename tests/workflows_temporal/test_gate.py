"""The gate as a workflow: holders that end in every possible way, limits that change, histories that grow long."""

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.gate import ChannelWeight, GateState, GateStatus
from studio.contracts.video import VideoProgress
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow

Gate = WorkflowHandle[GateWorkflow, None]


@pytest.fixture
async def gate(studio: StudioAtWork) -> Gate:
    """A gate that sweeps every fifth of a second."""
    return await studio.temporal.start_workflow(
        GateWorkflow.run,
        GateState(limit=2, sweep_seconds=0.2),
        id=KLING_GATE_ID,
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )


async def state_of(gate: Gate) -> GateStatus:
    return await gate.query(GateWorkflow.state)


async def rendering(handle: Handle, count: int) -> None:
    """Wait until so many clips of the video are with the provider."""

    def enough(progress: VideoProgress) -> bool:
        return sum(clip.status is ClipStatus.RENDERING for clip in progress.clips) == count

    await eventually(lambda: handle.query(VideoWorkflow.progress), enough)


async def test_the_limit_changes_while_videos_run(studio: StudioAtWork, kie: KieSimulator, gate: Gate) -> None:
    kie.configure(duration=(300, 300))
    handle = await studio.start(await studio.request(clips=5))
    await rendering(handle, 2)
    assert await gate.execute_update(GateWorkflow.set_limit, 4) == 2
    await rendering(handle, 4)
    assert kie.ledger.max_in_flight == 4
    await handle.terminate()


async def test_an_impossible_limit_is_refused(gate: Gate) -> None:
    for limit in (-1, 10_001):
        with pytest.raises(WorkflowUpdateFailedError, match="Workflow update failed"):
            await gate.execute_update(GateWorkflow.set_limit, limit)
    assert (await state_of(gate)).limit == 2


async def test_a_terminated_video_gives_its_places_back_when_the_provider_is_done_and_not_before(
    studio: StudioAtWork, kie: KieSimulator, gate: Gate
) -> None:
    kie.configure(duration=(500, 500))
    dead = await studio.start(await studio.request("dead", clips=2))
    await rendering(dead, 2)
    await dead.terminate()
    kie.configure(duration=(30, 60))
    alive = await studio.start(await studio.request("alive", clips=2))
    result = await alive.result()
    assert kie.ledger.max_in_flight == 2
    assert (await state_of(gate)).swept == 2
    assert len(result.clips) == 2
    rows = await studio.rows("select state, verdict from submissions where video_id = 'dead'")
    assert rows == [{"state": "settled", "verdict": "delivered"}] * 2  # the bill stays on the books


async def test_a_cancelled_video_keeps_its_places_until_the_provider_is_done_and_its_clips_become_takes(
    studio: StudioAtWork, kie: KieSimulator, gate: Gate
) -> None:
    """What it ordered is kept without anybody's help, and not bought again."""
    kie.configure(duration=(500, 500))
    request = await studio.request(clips=3)
    handle = await studio.start(request)
    await rendering(handle, 2)
    await handle.cancel()
    kept = await eventually(lambda: state_of(gate), lambda state: all(held.abandoned for held in state.held))
    assert len(kept.held) == 2
    kie.advance(500)
    await eventually(lambda: state_of(gate), lambda state: not state.held)
    await eventually(lambda: studio.rows("select 1 from takes where file is not null"), lambda rows: len(rows) == 2)
    await eventually(handle.describe, lambda video: video.close_time is not None)
    assert kie.ledger.accepted == 2
    kie.configure(duration=(30, 60))
    assert (await studio.make(request)).summary == "Skipped 2 existing clips, generated 1 new clips"
    assert kie.ledger.accepted == 3


async def test_a_video_cancelled_while_it_waits_leaves_the_line_and_one_that_was_terminated_is_passed_over(
    studio: StudioAtWork, kie: KieSimulator, gate: Gate
) -> None:
    await gate.execute_update(GateWorkflow.set_limit, 0)
    cancelled = await studio.start(await studio.request("cancelled", clips=2))
    await eventually(lambda: state_of(gate), lambda state: state.waiting == 2)
    await cancelled.cancel()
    await eventually(lambda: state_of(gate), lambda state: state.waiting == 0)
    dead = await studio.start(await studio.request("dead", clips=2))
    await eventually(lambda: state_of(gate), lambda state: state.waiting == 2)
    await dead.terminate()
    alive = await studio.start(await studio.request("alive", clips=1))
    await eventually(lambda: state_of(gate), lambda state: state.waiting == 3)
    await gate.execute_update(GateWorkflow.set_limit, 1)
    await alive.result()
    assert (await state_of(gate)).held == []
    assert kie.ledger.accepted == 1


async def test_a_video_makes_the_gate_when_somebody_removed_it(studio: StudioAtWork, gate: Gate) -> None:
    await gate.terminate()
    await studio.make(await studio.request(clips=1))
    assert (await studio.gate_state()).granted == 1


async def test_channels_are_let_in_fairly_and_urgent_videos_first(
    studio: StudioAtWork, kie: KieSimulator, gate: Gate
) -> None:
    await gate.execute_update(GateWorkflow.set_limit, 0)
    await gate.execute_update(GateWorkflow.set_weight, ChannelWeight(channel="heavy", weight=2))
    videos = [
        await studio.request("flood", clips=2, channel="flood"),
        await studio.request("heavy", clips=2, channel="heavy"),
        await studio.request("rush", clips=1, channel="late", priority=1),
    ]
    handles = [await studio.start(video) for video in videos]
    await eventually(lambda: state_of(gate), lambda state: state.waiting == 5)
    await gate.execute_update(GateWorkflow.set_limit, 1)
    for handle in handles:
        await handle.result()
    order = [task["prompt"].partition(" of ")[2].partition(".")[0] for task in kie.ledger_json()["tasks"]]
    assert order[0] == "rush"
    assert sorted(order[1:4]) == ["flood", "heavy", "heavy"]


async def test_a_notice_tells_those_who_wait_why_and_when_it_is_over(studio: StudioAtWork, gate: Gate) -> None:
    await gate.execute_update(GateWorkflow.set_limit, 0)
    handle = await studio.start(await studio.request(clips=1))
    await eventually(lambda: state_of(gate), lambda state: state.waiting == 1)
    await gate.signal(GateWorkflow.trip, "no credits")
    progress = await eventually(
        lambda: handle.query(VideoWorkflow.progress), lambda p: "the gate is closed: no credits" in p.step
    )
    assert progress.status == "processing"
    await gate.signal(GateWorkflow.resume)
    await gate.execute_update(GateWorkflow.set_limit, 1)
    await handle.result()
