"""A video that waits, for a person, for a place or for news of an order, hears many signals and goes on."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities.video_reconciler import VideoReconciler
from composition import Tools, serve_studio
from simulators.kie import KieSimulator
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipStatus
from studio.contracts.video import OnUnknown, VideoStatus
from studio.store.pool import Database
from studio.store.takes import TakeStore
from studio.store.video_endings import VideoEndings
from tests.conftest import NOBODY
from tests.short_histories import EVENTS, short_histories
from tests.studio_at_work import Handle, StudioAtWork, eventually, make_studio
from tests.workflows_temporal.tight_video import TightVideoWorkflow
from workflows_temporal.addresses import TaskQueue, late_workflow_id
from workflows_temporal.executions import Executions
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow

AT_ONCE = 50


@pytest.fixture(scope="module")
async def temporal_server_with_short_histories(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Client]:
    async with short_histories(tmp_path_factory.mktemp("temporal")) as client:
        yield client


@pytest.fixture
async def studio(
    temporal_server_with_short_histories: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """A studio whose videos hand their tickets in again after a fifth of a second; its orders ask for callbacks."""
    async with AsyncExitStack() as stack:
        client, changes = temporal_server_with_short_histories, {"kie_callback_url": NOBODY}
        at_work = make_studio(client, database_url, kie, tmp_path, stack, gate_ask_again_seconds=0.2, **changes)
        await at_work.open()
        yield at_work
        await at_work.gate.terminate()


async def runs(studio: StudioAtWork, handle: Handle) -> int:
    """How many runs the video has had."""
    return len([run async for run in studio.temporal.list_workflows(f"WorkflowId = '{handle.id}'")])


async def new_run(studio: StudioAtWork, handle: Handle) -> None:
    """Bombard the video until it has begun a new run."""
    before = await runs(studio, handle)
    await bombard(handle)
    await eventually(lambda: runs(studio, handle), lambda count: count > before)


async def bombard(handle: Handle, signals: int = EVENTS) -> None:
    """Signals about a clip that the video does not wait for: as many as end a run, also one that has just begun."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def send() -> None:
        async with turns:
            await handle.signal(VideoWorkflow.order_decided, 500)

    await asyncio.gather(*(send() for _ in range(signals)))


async def test_a_video_that_waits_for_resume_begins_new_runs_and_stays_as_it_is(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.order(match="corridor 02", fail="internal", count=1)
    handle = await studio.start(await studio.request("patient", clips=2))
    await studio.waiting(handle)
    # A run that has just begun reads the reasons of its clips back first.
    before = await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: bool(p.clips[1].note))
    for _ in range(2):
        await new_run(studio, handle)
    now = await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: bool(p.clips[1].note))
    assert (now.status, now.message, now.done, now.failed) == (before.status, before.message, 1, [2])
    assert now.cost_usd == before.cost_usd
    assert now.clips[1].note == before.clips[1].note
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert result.summary == "Skipped 1 existing clips, generated 1 new clips"
    assert (kie.ledger.accepted, kie.ledger.billed) == (3, 2)
    assert [clip.reused for clip in result.clips] == [False] * 2


@pytest.mark.slow
async def test_a_video_is_resumed_after_ten_thousand_signals(studio: StudioAtWork, kie: KieSimulator) -> None:
    """A run takes so many signals and no more; where the worker is slow, later ones are refused until the next run."""
    kie.order(match="corridor 01", fail="internal", count=1)
    handle = await studio.start(await studio.request("besieged", clips=1))
    await studio.waiting(handle)
    with suppress(RPCError):
        await bombard(handle, 10_000)
    await eventually(lambda: resumed(handle), bool)
    assert (await handle.result()).total_cost_usd == Decimal("0.21")
    assert kie.ledger.accepted == 2


async def resumed(handle: Handle) -> bool:
    """Whether the video takes a resume now."""
    try:
        await handle.signal(VideoWorkflow.resume)
    except RPCError:
        return False
    return True


async def test_a_resume_among_many_other_signals_is_not_lost(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.order(match="corridor 01", fail="internal", count=1)
    handle = await studio.start(await studio.request("busy", clips=1))
    await studio.waiting(handle)
    before = await runs(studio, handle)
    bombarding = asyncio.create_task(bombard(handle))
    await eventually(lambda: runs(studio, handle), lambda count: count > before)
    await handle.signal(VideoWorkflow.resume)
    await asyncio.gather(bombarding, return_exceptions=True)  # the video may end before all have arrived
    await handle.result()
    assert kie.ledger.accepted == 2


async def test_a_video_that_waits_for_a_place_begins_new_runs_and_is_let_in(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    await eventually(studio.gate.describe, lambda gate: gate.close_time is None)
    await studio.gate.execute_update(GateWorkflow.set_limit, 0)
    handle = await studio.start(await studio.request("outside", clips=2))
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    await new_run(studio, handle)
    await eventually(studio.gate_state, lambda status: status.waiting == 2)
    await studio.gate.execute_update(GateWorkflow.set_limit, 2)
    result = await handle.result()
    assert result.summary == "Skipped 0 existing clips, generated 2 new clips"
    assert kie.ledger.accepted == 2


async def test_a_video_the_gate_turned_back_goes_on_in_another_run_when_it_opens(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.script("createTask", [{"body_code": 401}])
    handle = await studio.start(await studio.request("turned-back", clips=2))
    await studio.waiting(handle)
    await new_run(studio, handle)
    assert "the gate is closed" in (await handle.query(VideoWorkflow.progress)).step
    await studio.gate.signal(GateWorkflow.resume)
    await handle.result()
    assert kie.ledger.accepted == 2


async def test_a_lost_order_is_waited_for_until_the_same_moment_and_adopted_in_another_run(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.script("createTask", ["reset_after"])
    handle = await studio.start(await studio.request("lost", clips=1, unknown_wait_seconds=3_600))

    async def waits() -> bool:
        return (await handle.query(VideoWorkflow.progress)).clips[0].status is ClipStatus.UNKNOWN

    await eventually(waits, bool)
    await new_run(studio, handle)
    await eventually(waits, bool)
    (order,) = await studio.rows("select id from submissions where video_id = 'lost'")
    (task,) = kie.ledger_json()["tasks"]
    callback = CalledBack(submission_id=str(order["id"]), number=1, task_id=task["task_id"])
    await handle.signal(VideoWorkflow.called_back, callback)
    await handle.result()
    assert kie.ledger.accepted == 1


async def test_a_video_is_cancelled_in_a_later_run_and_keeps_what_an_earlier_one_made(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.order(match="corridor 01", fail="internal", count=1)
    handle = await studio.start(await studio.request("cancelled", clips=2))
    await studio.waiting(handle)
    await new_run(studio, handle)
    await studio.close()
    await bombard(handle)  # the run that is there will end with its next workflow task
    await handle.cancel()
    await studio.open()
    progress = await studio.waiting(handle, VideoStatus.CANCELLED)
    assert [clip.status for clip in progress.clips] == [ClipStatus.CANCELLED, ClipStatus.DONE]


async def test_a_callback_about_an_earlier_order_of_a_clip_is_followed_at_the_end_also_in_a_later_run(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """It was written off and ordered again; the video ends with the second clip, and the first is paid for, too."""
    kie.script("createTask", ["accept_then_reset"], match="corridor 01")
    kie.order(match="corridor 02", fail="internal", count=1)
    handle = await studio.start(await studio.request("twice", clips=2, on_unknown=OnUnknown.RESUBMIT))
    await studio.waiting(handle)
    (order,) = await studio.rows("select id from submissions where verdict = 'written_off'")
    task = next(task for task in kie.ledger.tasks if "corridor 01" in task.prompt)
    await handle.signal(
        VideoWorkflow.called_back, CalledBack(submission_id=order["id"], number=1, task_id=task.task_id)
    )
    await new_run(studio, handle)
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert await studio.temporal.get_workflow_handle(late_workflow_id(order["id"])).result()
    takes = await TakeStore(studio.database).of_clip(studio.clip(1, "twice"))
    assert [take.verdict for take in takes if take.file is not None] == ["chosen", "good"]
    assert result.clips[0].task_id != task.task_id
    assert kie.ledger.accepted == 4


async def test_a_video_whose_next_run_would_not_fit_ends_in_video_error_with_the_figures(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    await studio.close()
    await studio.open(TaskQueue.KLING, TaskQueue.MEDIA)
    kie.order(match="corridor 01", fail="internal", count=1)
    database = Database(str(studio.settings.database_url))
    tools = Tools(studio.settings, studio.temporal, database, studio.objects, studio.stack)
    studio.stack.push_async_callback(database.close)
    serving = await serve_studio(tools)
    workflows = [TightVideoWorkflow if one is VideoWorkflow else one for one in serving.workflows]
    async with Worker(studio.temporal, task_queue=TaskQueue.STUDIO, workflows=workflows, activities=serving.activities):
        handle = await studio.start(await studio.request("tight", clips=1))
        await studio.waiting(handle)
        await bombard(handle)
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        progress = await handle.query(VideoWorkflow.progress)
        reconciler = VideoReconciler(VideoEndings(database), Executions(studio.temporal))
        assert handle.id not in await reconciler.reconcile()
    assert isinstance(failure.value.cause, ApplicationError)
    figures = r"The next run's input has [\d,]{4,} bytes, Temporal takes 500 - Make several videos"
    (row,) = await studio.rows("select status, message from videos where video_id = 'tight'")
    for status, message in ((progress.status, progress.message), (row["status"], row["message"])):
        assert status == VideoStatus.VIDEO_ERROR
        assert re.fullmatch(figures, message)
