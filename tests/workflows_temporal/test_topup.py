"""A gate that closed because credits were missing: it watches the account, and the videos it turned back go on."""

from decimal import Decimal

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.common import WorkflowIDConflictPolicy

from activities.balance import BalanceActivities
from activities.records import RecordActivities
from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.gate import Closing, GateState
from studio.contracts.video import VideoProgress, VideoStatus
from tests.studio_at_work import GateHandle, Handle, StudioAtWork, eventually
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow

CLIP = 42
"""Credits for a clip of five seconds."""
BAD_KEY = "KIE.ai authentication failed - Check KIE_API_KEY"
OFTEN = GateState(limit=1, sweep_seconds=0.2, credit_seconds=0.1)
"""One order at a time, so that refusals can be counted; looks at the account ten times a second."""


async def begin(studio: StudioAtWork, state: GateState) -> GateHandle:
    """A gate in this state, in place of the one there is."""
    return await studio.temporal.start_workflow(
        GateWorkflow.run,
        state,
        id=KLING_GATE_ID,
        task_queue=TaskQueue.STUDIO,
        id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING,
    )


@pytest.fixture
async def gate(studio: StudioAtWork) -> GateHandle:
    return await begin(studio, OFTEN)


async def looks(gate: GateHandle) -> int:
    """How often the gate has looked at the account since it closed; 0: it does not look."""
    pending = (await gate.describe()).raw_description.pending_activities
    name = BalanceActivities.await_top_up.__name__
    return next((activity.attempt for activity in pending if activity.activity_type.name == name), 0)


async def looked(gate: GateHandle, times: int = 3) -> None:
    """Wait until it has looked so often again: in vain, since it goes on looking."""
    before = await looks(gate)
    await eventually(lambda: looks(gate), lambda count: count >= before + times)


async def signals(handle: Handle | GateHandle) -> list[str]:
    """What a video or a gate was told."""
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]


async def steps(handle: Handle) -> list[str]:
    """The activities of a video, as they were begun."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        async for event in handle.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    ]


async def told(handle: Handle, words: str) -> VideoProgress:
    return await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: words in p.step)


async def test_a_video_that_meets_an_empty_account_goes_on_after_a_top_up(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    kie.configure(credits=CLIP + 10)
    handle = await studio.start(await studio.request(clips=3))
    progress = await studio.waiting(handle)
    assert [clip.status for clip in progress.clips].count(ClipStatus.DONE) == 1
    assert "KIE.ai has no credits left - Top up the account" in progress.message
    await told(handle, "the gate is closed: KIE.ai has no credits left")
    await told(handle, "(opens by itself after a top-up)")
    await looked(gate)
    assert (kie.ledger.accepted, dict(kie.ledger.refused_by)) == (1, {("createTask", 402): 1})
    state = await gate.query(GateWorkflow.state)
    assert state.closing is not None
    assert state.closing.credits == 10
    kie.configure(credits=1_000)
    result = await handle.result()
    assert result.summary == "Skipped 1 existing clips, generated 2 new clips"
    assert (kie.ledger.accepted, dict(kie.ledger.refused_by)) == (3, {("createTask", 402): 1})
    assert "resume" not in await signals(handle) + await signals(gate)
    state = await gate.query(GateWorkflow.state)
    assert (state.closed, state.closings, state.standing_by) == (None, 1, 0)


async def test_a_video_that_was_refused_at_its_start_goes_on_after_a_top_up(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    kie.configure(credits=0)
    handle = await studio.start(await studio.request(clips=1))
    progress = await studio.waiting(handle)
    assert "KIE.ai has no credits left - Top up the account" in progress.message
    await looked(gate)
    kie.configure(credits=1_000)
    await handle.result()
    assert (kie.ledger.accepted, kie.ledger.refused) == (1, [])
    assert "resume" not in await signals(handle)


async def test_a_top_up_that_was_quicker_than_the_first_look_counts(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    """An order was refused with 10 credits, and by the time its answer was there the account had more."""
    await gate.signal(
        GateWorkflow.trip, Closing(reason="none left", error_type="InsufficientCredits", credits=Decimal(10))
    )
    await eventually(lambda: gate.query(GateWorkflow.state), lambda state: state.closings == 1 and state.closed is None)


async def test_a_refund_is_tried_once_and_refused_once(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    """More than before is not always enough: that costs one refused order each time, and nothing else."""
    kie.configure(credits=10)
    handle = await studio.start(await studio.request(clips=2))
    await studio.waiting(handle)
    kie.configure(credits=20)
    await eventually(lambda: gate.query(GateWorkflow.state), lambda state: state.closings == 2)
    await studio.waiting(handle)
    await looked(gate)
    assert (kie.ledger.accepted, dict(kie.ledger.refused_by)) == (0, {("createTask", 402): 2})
    kie.configure(credits=1_000)
    await handle.result()


async def test_videos_that_wait_in_line_go_on_too_and_those_that_stand_still_for_another_reason_do_not(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    """One that stands still for both reasons redoes all that is missing."""
    kie.script("createTask", [{"body_code": 422}], match="of wrong", repeat=True)
    wrong = await studio.start(await studio.request("wrong", clips=1, channel="poke1"))
    await studio.waiting(wrong)
    kie.configure(credits=10)
    kie.script("createTask", [{"body_code": 422}], match="of refused")
    refused = await studio.start(await studio.request("refused", clips=2, channel="poke2"))
    await studio.waiting(refused)
    patient = await studio.start(await studio.request("patient", clips=1, channel="poke3"))
    await eventually(lambda: gate.query(GateWorkflow.state), lambda state: state.waiting == 1)
    kie.configure(credits=1_000)
    await refused.result()
    await patient.result()
    assert (await wrong.query(VideoWorkflow.progress)).status is VideoStatus.VIDEO_ERROR
    assert "gate_notice" not in await signals(wrong)
    assert kie.ledger.refused_by == {("createTask", 422): 2, ("createTask", 402): 1}


async def test_a_refused_key_takes_the_place_of_an_empty_account_and_never_opens_the_gate_by_itself(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    kie.configure(credits=0)
    first = await studio.start(await studio.request("first", clips=1))
    await studio.waiting(first)
    await looked(gate)
    kie.configure(api_keys=["another-key"])
    second = await studio.start(await studio.request("second", clips=1))
    await studio.waiting(second)
    await told(second, f"the gate is closed: {BAD_KEY}")
    before = await gate.query(GateWorkflow.state)
    assert before.closed == BAD_KEY
    assert await looks(gate) == 0
    kie.configure(api_keys=["sim-key"], credits=50_000)
    await gate.signal(GateWorkflow.topped_up, before.closings)
    state = await gate.query(GateWorkflow.state)
    assert (state.closed, state.closings) == (BAD_KEY, before.closings)
    assert await looks(gate) == 0
    assert (await second.query(VideoWorkflow.progress)).status is VideoStatus.VIDEO_ERROR
    await gate.signal(GateWorkflow.resume)  # the gate, and not the videos
    for handle in (first, second):
        await handle.result()


async def test_a_raised_cap_alone_cannot_be_seen_but_a_top_up_can(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    kie.configure(key_caps={"sim-key": CLIP - 1})
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    kie.configure(key_caps={"sim-key": 1_000})
    await looked(gate)
    assert (await handle.query(VideoWorkflow.progress)).status is VideoStatus.VIDEO_ERROR
    kie.configure(credits=20_000)
    await handle.result()
    assert kie.ledger.refused_by == {("createTask", 433): 1}


async def test_a_balance_that_is_told_late_does_not_hide_a_top_up(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    """At the refusal the endpoint still tells the credits that are spent: no more than those are topped up."""
    kie.configure(credits=CLIP, credit_lag=3_600)
    kie.advance(3_600)
    handle = await studio.start(await studio.request(clips=2))
    await studio.waiting(handle)
    kie.advance(3_600)
    await looked(gate)
    kie.configure(credits=CLIP)
    kie.advance(3_600)
    await handle.result()
    assert kie.ledger.refused_by == {("createTask", 402): 1}


async def test_a_video_whose_other_clips_still_render_hears_of_it_too(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    await gate.execute_update(GateWorkflow.set_limit, 2)
    kie.order(duration=100_000, count=1)
    kie.script("createTask", ["ok", {"body_code": 402}])
    handle = await studio.start(await studio.request(clips=2, clip_deadline_seconds=3_600))
    await eventually(lambda: gate.query(GateWorkflow.state), lambda state: state.closed is not None)
    kie.configure(credits=20_000)
    await eventually(lambda: gate.query(GateWorkflow.state), lambda state: state.closed is None)
    kie.advance(100_000)
    await handle.result()
    assert kie.ledger.accepted == 2
    assert (await steps(handle)).count(RecordActivities.set_video_status.__name__) == 1  # it never stood still


async def test_a_closed_gate_adds_nothing_to_its_history_and_begun_anew_knows_what_it_waits_for_and_whom_to_tell(
    studio: StudioAtWork, kie: KieSimulator, gate: GateHandle
) -> None:
    kie.configure(credits=10)
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    state = await eventually(lambda: gate.query(GateWorkflow.state), lambda state: bool(state.standing_by))
    assert state.standing_by == 1
    await looked(gate, 1)
    before = (await gate.describe()).history_length
    await looked(gate)
    assert (await gate.describe()).history_length == before
    run = (await gate.describe()).run_id
    await gate.cancel()  # it continues as new
    await eventually(gate.describe, lambda execution: execution.run_id != run)
    assert (await gate.query(GateWorkflow.state)).standing_by == 1
    await looked(gate)
    kie.configure(credits=1_000)
    await handle.result()
    assert kie.ledger.refused_by == {("createTask", 402): 1}
