"""Clips that are finished when nobody waits for them any more: they were paid for, so they become takes."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.client import Client

from simulators.kie import KieSimulator
from studio.contracts.callback import CalledBack
from studio.contracts.desk import Decision, DecisionKind
from studio.contracts.take import LateOrder
from studio.contracts.video import OnUnknown
from studio.objects import keys
from studio.store.desk import DeskStore
from studio.store.takes import TakeStore
from tests.studio_at_work import Handle, StudioAtWork, eventually, make_studio
from worker import working
from workflows_temporal.addresses import TaskQueue, desk_workflow_id, late_workflow_id
from workflows_temporal.desk import DeskWorkflow
from workflows_temporal.late import LateClipWorkflow
from workflows_temporal.video import VideoWorkflow

SKIPPED = "Skipped {} existing clips, generated {} new clips"


async def ordered(studio: StudioAtWork) -> str:
    """The id of the one order, once the provider has accepted it."""
    rows = await eventually(lambda: studio.rows("select id from submissions where state = 'accepted'"), bool)
    return str(rows[0]["id"])


async def look_after(studio: StudioAtWork, order: LateOrder) -> bool:
    return await studio.temporal.execute_workflow(
        LateClipWorkflow.run, order, id=late_workflow_id(order.submission_id), task_queue=TaskQueue.STUDIO
    )


async def ended(handle: Handle) -> None:
    await eventually(handle.describe, lambda video: video.close_time is not None)


async def test_the_clip_of_a_cancelled_video_becomes_a_take(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(500, 500))
    request = await studio.request(clips=1)
    handle = await studio.start(request)
    order = await ordered(studio)
    await handle.cancel()
    await ended(handle)
    kie.advance(500)
    assert await studio.temporal.get_workflow_handle(late_workflow_id(order)).result(), "the video has it looked after"
    assert [key for key in await studio.objects.keys(keys.video_prefix("poke1", "vid_1")) if "/clips/" in key] == []
    result = await studio.make(request)
    assert kie.ledger.accepted == 1
    assert result.summary == SKIPPED.format(1, 0)
    assert not await look_after(studio, LateOrder(submission_id=order)), "it is here already"


async def test_an_order_accepted_in_the_moment_of_the_cancellation_becomes_a_take(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> None:
    """The cancellation and the receipt reach the workflow in one task: the cancellation does not hide the receipt."""
    kie.script("createTask", [{"slow_headers": 3}])
    async with AsyncExitStack() as stack:
        studio = make_studio(temporal, database_url, kie, tmp_path, stack)
        await studio.open(TaskQueue.KLING, TaskQueue.MEDIA)
        async with working(studio.settings, (TaskQueue.STUDIO,), temporal):
            handle = await studio.start(await studio.request(clips=1))
            rows = await eventually(lambda: studio.rows("select id from submissions where state = 'sent'"), bool)
        await handle.cancel()
        await eventually(handle.describe, lambda video: not video.raw_description.pending_activities)
        async with working(studio.settings, (TaskQueue.STUDIO,), temporal):
            await ended(handle)
            assert await temporal.get_workflow_handle(late_workflow_id(str(rows[0]["id"]))).result()


async def test_a_clip_that_was_written_off_and_bought_again_becomes_a_further_take(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator
) -> None:
    studio = studio_with_callbacks
    kie.script("createTask", ["accept_then_reset"])
    result = await studio.make(await studio.request(clips=1, on_unknown=OnUnknown.RESUBMIT))
    assert kie.ledger.accepted == 2
    (lost,) = await studio.rows("select id from submissions where verdict = 'written_off'")
    (task,) = [task for task in kie.ledger.tasks if task.task_id != result.clips[0].task_id]
    assert await look_after(studio, LateOrder(submission_id=lost["id"], task_id=task.task_id))
    listed = await TakeStore(studio.database).of_clip(studio.clip(1))
    assert [(take.parts.variant, take.verdict) for take in listed] == [(1, "chosen"), (2, "good")]
    assert await DeskStore(studio.database).lost() == []


@pytest.mark.parametrize("order", ["6f0f3c52-6c3a-5d0e-9a55-2f8f3f0d7c11"])
async def test_an_order_nobody_knows_is_nobodys(studio: StudioAtWork, kie: KieSimulator, order: str) -> None:
    with pytest.raises(Exception, match="Workflow execution failed"):
        await look_after(studio, LateOrder(submission_id=order, task_id="forged"))
    assert kie.ledger.polls == 0


async def decide(studio: StudioAtWork, order: str, kind: DecisionKind, task: str | None = None) -> None:
    decision = Decision(submission_id=order, kind=kind, who="ann", why="looked", task_id=task)
    await studio.temporal.execute_workflow(
        DeskWorkflow.run, decision, id=desk_workflow_id(order), task_queue=TaskQueue.STUDIO
    )


async def test_the_desk_adopts_for_a_video_that_has_ended(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator
) -> None:
    studio = studio_with_callbacks
    kie.script("createTask", ["accept_then_reset"])
    request = await studio.request(clips=1)
    handle = await studio.start(request)
    await studio.waiting(handle)
    (lost,) = await DeskStore(studio.database).lost()
    await handle.cancel()
    await ended(handle)
    await decide(studio, lost.submission_id, DecisionKind.ADOPT, kie.ledger.tasks[0].task_id)
    assert await studio.temporal.get_workflow_handle(late_workflow_id(lost.submission_id)).result()
    result = await studio.make(request)
    assert (kie.ledger.accepted, result.summary) == (1, SKIPPED.format(1, 0))


async def test_what_was_written_off_and_calls_back_after_all_is_not_bought_again(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator
) -> None:
    studio = studio_with_callbacks
    kie.script("createTask", ["accept_then_reset"])
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    (lost,) = await DeskStore(studio.database).lost()
    await decide(studio, lost.submission_id, DecisionKind.WRITE_OFF)
    task_id = kie.ledger.tasks[0].task_id
    told = CalledBack(submission_id=lost.submission_id, number=1, task_id=task_id)
    await handle.signal(VideoWorkflow.called_back, told)
    result = await handle.result()
    assert (kie.ledger.accepted, result.clips[0].task_id) == (1, task_id)
    (row,) = await studio.rows("select state, verdict, billed_usd from submissions")
    assert (row["state"], row["verdict"], row["billed_usd"]) == ("settled", "delivered", result.total_cost_usd)


async def test_an_order_that_calls_back_while_another_one_is_watched_becomes_a_further_take(
    rarely_looking: StudioAtWork, kie: KieSimulator
) -> None:
    studio = rarely_looking
    kie.configure(duration=(500, 500))
    kie.script("createTask", ["accept_then_reset"])
    handle = await studio.start(await studio.request(clips=1, on_unknown=OnUnknown.RESUBMIT))
    second = await ordered(studio)
    (first,) = await studio.rows("select id from submissions where verdict = 'written_off'")

    async def looks() -> int:
        return kie.ledger.polls

    await eventually(looks, bool)  # the next one is half a minute away
    kie.advance(500)
    for order, task in ((first["id"], kie.ledger.tasks[0]), (second, kie.ledger.tasks[1])):
        told = CalledBack(submission_id=order, number=1, task_id=task.task_id)
        await handle.signal(VideoWorkflow.called_back, told)
        if order == first["id"]:
            late = studio.temporal.get_workflow_handle(late_workflow_id(order))
            await eventually(lambda: studio.rows("select 1 from takes where file is not null"), bool)
            assert await late.result()
    await handle.result()
    listed = await TakeStore(studio.database).of_clip(studio.clip(1))
    assert len([take for take in listed if take.file is not None]) == 2
