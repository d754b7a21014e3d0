"""Orders whose answer got lost: found again by a callback or a person, never bought twice behind anybody's back."""

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from simulators.kie import KieSimulator
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipStatus
from studio.contracts.desk import Decision, DecisionKind, LostOrder, OrderFound
from studio.contracts.video import OnUnknown, VideoProgress, VideoStatus
from studio.providers.kie import open_kie
from studio.store.desk import DeskStore
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.addresses import TaskQueue, desk_workflow_id
from workflows_temporal.desk import DeskWorkflow
from workflows_temporal.video import VideoWorkflow


@pytest.fixture
async def lost(studio_with_callbacks: StudioAtWork, kie: KieSimulator) -> StudioAtWork:
    """The answer to the order of clip 1 gets lost; the provider has accepted it and makes the clip."""
    kie.script("createTask", ["accept_then_reset"], match="corridor 01")
    return studio_with_callbacks


async def start(studio: StudioAtWork, *, clips: int = 1, **fields: Any) -> Handle:
    return await studio.start(await studio.request(clips=clips, **fields))


async def the_lost(studio: StudioAtWork) -> LostOrder:
    (order,) = await eventually(DeskStore(studio.database).lost, bool)
    return order


def task_of(kie: KieSimulator) -> str:
    """The provider's task for clip 1, as a person finds it in the provider's list."""
    (task,) = [task.task_id for task in kie.ledger.tasks if "corridor 01" in task.prompt]
    return task


async def decide(studio: StudioAtWork, order: str, kind: DecisionKind, task: str | None = None) -> OrderFound:
    decision = Decision(submission_id=order, kind=kind, who="ann", why="looked", task_id=task)
    return await studio.temporal.execute_workflow(
        DeskWorkflow.run, decision, id=desk_workflow_id(order), task_queue=TaskQueue.STUDIO
    )


async def refusal(studio: StudioAtWork, order: str, kind: DecisionKind, task: str) -> str:
    with pytest.raises(WorkflowFailureError) as failure:
        await decide(studio, order, kind, task)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "InvalidRequest"
    return failure.value.cause.message


def others_are_done(progress: VideoProgress) -> bool:
    return [clip.status for clip in progress.clips] == [ClipStatus.UNKNOWN, ClipStatus.DONE]


async def test_the_others_go_on_while_a_lost_order_is_waited_for(lost: StudioAtWork, kie: KieSimulator) -> None:
    handle = await start(lost, clips=2, unknown_wait_seconds=600)
    progress = await eventually(lambda: handle.query(VideoWorkflow.progress), others_are_done)
    assert progress.status is VideoStatus.PROCESSING
    order = await the_lost(lost)
    assert (order.number, str(order.price_usd), order.decisions) == (1, "0.210000", [])
    assert order.credits_before is not None
    assert order.credits_after is not None
    assert order.credits_before - order.credits_after >= 42  # the evidence: somebody billed something


async def test_a_callback_with_our_id_finds_a_lost_order_which_is_then_no_matter_for_the_desk(
    lost: StudioAtWork, kie: KieSimulator
) -> None:
    handle = await start(lost, unknown_wait_seconds=600)
    order = await the_lost(lost)
    told = CalledBack(submission_id=order.submission_id, number=1, task_id=task_of(kie))
    await handle.signal(VideoWorkflow.called_back, told)
    result = await handle.result()
    assert str(result.total_cost_usd) == "0.210000"
    assert kie.ledger.billed == 1
    assert await DeskStore(lost.database).lost() == []
    (decision,) = await lost.rows("select kind, who from decisions")
    assert (decision["kind"], decision["who"]) == ("adopt", "callback")
    for row in await lost.rows("select id from submissions"):
        assert "is not a lost order" in await refusal(lost, row["id"], DecisionKind.WRITE_OFF, "t")


async def test_forged_callbacks_change_nothing_and_the_right_one_brings_the_clip_of_a_video_that_asks_for_help(
    lost: StudioAtWork, kie: KieSimulator
) -> None:
    """Also when the first looks at its task are odd: one answer is no proof that the callback was forged."""
    handle = await start(lost, clips=2)
    await lost.waiting(handle)
    order = await the_lost(lost)
    another = next(task.task_id for task in kie.ledger.tasks if "corridor 02" in task.prompt)
    await handle.signal(VideoWorkflow.called_back, CalledBack(submission_id="stale", number=2, task_id=another))
    for number, task_id in enumerate(("no-such-task", another, await foreign_task(kie)), start=1):
        told = CalledBack(submission_id=order.submission_id, number=1, task_id=task_id)
        await handle.signal(VideoWorkflow.called_back, told)
        await eventually(lambda: looks(handle), lambda count, number=number: count == number)  # type: ignore[misc]
    assert (await handle.query(VideoWorkflow.progress)).status is VideoStatus.VIDEO_ERROR
    assert (await the_lost(lost)).decisions == []
    task, accepted = task_of(kie), kie.ledger.accepted
    kie.script("recordInfo", [{"variant": "absent_422"}, {"variant": "param_null"}, {"html": 404}], match=task)
    told = CalledBack(submission_id=order.submission_id, number=1, task_id=task)
    await handle.signal(VideoWorkflow.called_back, told)
    await handle.result()
    assert kie.ledger.accepted == accepted


async def foreign_task(kie: KieSimulator) -> str:
    """A task on our account that was ordered without any id of ours."""
    like = kie.ledger.tasks[0]
    async with open_kie(key="sim-key", api_url=kie.api_url, upload_url=kie.upload_url) as client:
        return await client.create_task(model=like.model, prompt="Elsewhere.", image_url=like.image_url, seconds=5)


async def test_a_person_may_adopt_a_task_without_an_id_and_the_books_say_so(
    lost: StudioAtWork, kie: KieSimulator
) -> None:
    handle = await start(lost)
    await lost.waiting(handle)
    order = await the_lost(lost)
    found = await decide(lost, order.submission_id, DecisionKind.ADOPT, await foreign_task(kie))
    assert "taken on trust" in found.words
    await handle.result()
    (decision,) = await lost.rows("select who, why, outcome from decisions")
    assert decision == {"who": "ann", "why": "looked", "outcome": found.words}


async def looks(handle: Handle) -> int:
    """How often the desk was asked about a hint, and had answered."""
    failed = 0
    async for event in handle.fetch_history_events():
        failed += event.HasField("activity_task_failed_event_attributes")
    return failed - 1  # the order whose answer got lost failed, too


async def test_a_person_looks_is_refused_foreign_tasks_and_adopts_the_right_one_and_the_video_goes_on_by_itself(
    lost: StudioAtWork, kie: KieSimulator
) -> None:
    handle = await start(lost, clips=2)
    await lost.waiting(handle)
    order = await the_lost(lost)
    found = await decide(lost, order.submission_id, DecisionKind.CHECK)
    assert found.state == "unknown"
    assert "cannot look up" in found.words
    assert [decision.kind for decision in (await the_lost(lost)).decisions] == ["check"]
    another = next(task.task_id for task in kie.ledger.tasks if "corridor 02" in task.prompt)
    assert "was ordered under another id" in await refusal(lost, order.submission_id, DecisionKind.ADOPT, another)
    assert "does not know" in await refusal(lost, order.submission_id, DecisionKind.ADOPT, "no-such-task")
    found = await decide(lost, order.submission_id, DecisionKind.ADOPT, task_of(kie))
    assert found.state == "accepted"
    result = await handle.result()
    assert kie.ledger.billed == 2
    assert result.summary.endswith("Skipped 1 existing clips, generated 1 new clips")


async def test_a_decision_while_others_still_run_is_not_forgotten(lost: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 02", stuck=True, count=1)
    handle = await start(lost, clips=2, clip_deadline_seconds=1)
    order = await the_lost(lost)
    await decide(lost, order.submission_id, DecisionKind.ADOPT, task_of(kie))
    progress = await lost.waiting(handle)
    assert progress.failed == [2]
    assert kie.ledger.accepted == 2


async def test_a_written_off_order_counts_as_paid_and_waits_for_a_resume(lost: StudioAtWork, kie: KieSimulator) -> None:
    handle = await start(lost)
    await lost.waiting(handle)
    await decide(lost, (await the_lost(lost)).submission_id, DecisionKind.WRITE_OFF)
    assert (await handle.query(VideoWorkflow.progress)).status is VideoStatus.VIDEO_ERROR
    assert await DeskStore(lost.database).lost() == []
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert kie.ledger.accepted == 2
    assert str(result.total_cost_usd) == "0.420000"


async def test_a_person_may_send_a_lost_order_again(lost: StudioAtWork, kie: KieSimulator) -> None:
    handle = await start(lost)
    await lost.waiting(handle)
    await decide(lost, (await the_lost(lost)).submission_id, DecisionKind.RESUBMIT)
    await handle.result()
    assert kie.ledger.accepted == 2


async def test_a_video_may_send_lost_orders_again_so_many_times(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator
) -> None:
    kie.script("createTask", ["accept_then_reset"] * 2, match="corridor 01")
    handle = await start(studio_with_callbacks, on_unknown=OnUnknown.RESUBMIT, most_resubmits=1)
    progress = await studio_with_callbacks.waiting(handle)
    assert [clip.status for clip in progress.clips] == [ClipStatus.UNKNOWN]
    assert kie.ledger.accepted == 2
    bills = await studio_with_callbacks.rows(
        "select verdict, billed_usd from submissions where number = 1 order by attempt"
    )
    assert [bill["verdict"] for bill in bills] == ["written_off", None]


async def test_a_video_may_take_a_lost_order_for_a_failure_at_once(lost: StudioAtWork, kie: KieSimulator) -> None:
    handle = await start(lost, on_unknown=OnUnknown.FAIL, unknown_wait_seconds=600)
    progress = await lost.waiting(handle)
    assert progress.failed == [1]


async def test_two_videos_that_share_a_take_are_both_told_how_its_order_ended(
    lost: StudioAtWork, kie: KieSimulator
) -> None:
    first = await lost.request(clips=1)
    second = first.model_copy(update={"video_id": "vid_2"})
    handles = [await lost.start(first)]
    await lost.waiting(handles[0])
    handles.append(await lost.start(second))
    await lost.waiting(handles[1])
    order = await the_lost(lost)
    await decide(lost, order.submission_id, DecisionKind.ADOPT, task_of(kie))
    for handle in handles:
        await handle.result()
    assert kie.ledger.accepted == 1
