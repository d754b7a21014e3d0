"""However a video ends, the command line, PostgreSQL and the query say so, with the reason; and what it has cost is one
figure."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import WorkflowExecutionStatus

from activities.video_reconciler import VideoReconciler
from commands.failures import ExitCode
from simulators.kie import KieSimulator
from studio.contracts.video import VideoRequest, VideoStatus
from studio.store.video_endings import VideoEndings
from tests.commands.starter import Starter
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.addresses import TaskQueue, video_workflow_id
from workflows_temporal.executions import Executions
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow

NAME = "poke1/vid_1"


@pytest.fixture
def reconciler(studio: StudioAtWork) -> VideoReconciler:
    return VideoReconciler(VideoEndings(studio.database), Executions(studio.temporal))


async def bad(studio: StudioAtWork) -> VideoRequest:
    """A request that preflight refuses."""
    request = await studio.request(clips=1)
    return request.model_copy(
        update={"clips": [request.clips[0].model_copy(update={"prompt": "Slow pan left. A cat."})]}
    )


async def row(studio: StudioAtWork) -> dict[str, Any]:
    found = await studio.rows("select status, message from videos")
    return found[0] if found else {}


async def closed(handle: Handle) -> WorkflowExecutionStatus | None:
    seen = await eventually(handle.describe, lambda one: one.status is not WorkflowExecutionStatus.RUNNING)
    return seen.status


async def waiting(studio: StudioAtWork, **fields: Any) -> Handle:
    """A video that waits for `resume`: its second clip failed at the provider."""
    studio.kie.order(match="corridor 02", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=2, **fields))
    await studio.waiting(handle)
    return handle


async def reconciled(studio: StudioAtWork, reconciler: VideoReconciler, status: str) -> None:
    """The row says so: this reconciler, or the worker's own, has seen it."""

    async def pass_over() -> dict[str, Any]:
        await reconciler.reconcile()
        return await row(studio)

    await eventually(pass_over, lambda found: found.get("status") == status)


async def delete(studio: StudioAtWork) -> None:
    """What Temporal does when the retention of a workflow is over."""
    name = video_workflow_id("poke1", "vid_1")
    request = DeleteWorkflowExecutionRequest(
        namespace=studio.temporal.namespace, workflow_execution=WorkflowExecution(workflow_id=name)
    )
    await studio.temporal.workflow_service.delete_workflow_execution(request)

    async def known() -> object:
        return await Executions(studio.temporal).find(name)

    await eventually(known, lambda found: found is None)


async def test_a_refused_video_says_so_with_the_reason_everywhere(studio: StudioAtWork, starter: Starter) -> None:
    handle = await studio.start(await bad(studio))
    assert await closed(handle) is WorkflowExecutionStatus.FAILED
    progress = await handle.query(VideoWorkflow.progress)
    written = await row(studio)
    shown = (await starter("video", "status", NAME, "--json")).json
    for status, message in (
        (progress.status, progress.message),
        (written["status"], written["message"]),
        (shown["status"], shown["message"]),
    ):
        assert status == "refused"
        assert "the prompt begins with camera movement" in message
    assert "Traceback" not in (resumed := await starter("video", "resume", "vid_1")).stderr
    assert (resumed.code, "video start FILE" in resumed.stderr) == (ExitCode.WRONG_INPUT, True)
    assert "refused" in (await starter("video", "result", "vid_1")).stderr


async def test_a_video_that_was_refused_at_decoding_is_shown_and_written_down(
    studio: StudioAtWork, starter: Starter, reconciler: VideoReconciler
) -> None:
    """No workflow code of ours has run: only Temporal knows of it."""
    for wrong in ({"clips": "none"}, {}, [1], None, "x"):
        await studio.temporal.start_workflow(
            "VideoWorkflow", wrong, id="video/poke1/vid_1", task_queue=TaskQueue.STUDIO
        )
        await closed(studio.temporal.get_workflow_handle_for(VideoWorkflow.run, "video/poke1/vid_1"))
        await reconciled(studio, reconciler, "refused")
        shown = (await starter("video", "status", NAME, "--json")).json
        assert (shown["status"], (await row(studio))["status"]) == ("refused", "refused"), wrong
        assert shown["message"], wrong
        for command in (["resume"], ["result"], ["cancel"], ["costs"], ["takes"], ["edit", "1", "--again"]):
            done = await starter("video", command[0], NAME, *command[1:])
            assert "Traceback" not in done.stderr and "defect" not in done.stderr, (wrong, command)
        await studio.rows("delete from videos returning 1")


async def test_a_terminated_video_says_so_at_the_moment_of_asking(
    studio: StudioAtWork, starter: Starter, reconciler: VideoReconciler
) -> None:
    """And when it has been resumed, what was seen of the run before never overwrites the row."""
    handle = await waiting(studio)
    await handle.terminate(reason="the wrong song")
    shown = (await starter("video", "status", NAME, "--json")).json
    assert (shown["status"], shown["message"]) == ("terminated", "Terminated: the wrong song")
    assert await row(studio) == {"status": "terminated", "message": "Terminated: the wrong song"}
    assert (shown["done"], Decimal(shown["cost_usd"])) == (1, Decimal("0.21"))
    of_before = await Executions(studio.temporal).find(handle.id)
    assert of_before is not None
    assert (await starter("video", "resume", "vid_1")).code == 0
    newest: Handle = studio.temporal.get_workflow_handle_for(VideoWorkflow.run, handle.id)
    assert (await newest.result()).summary == "Skipped 1 existing clips, generated 1 new clips"
    assert (await starter("video", "status", NAME, "--json")).json["status"] == "video_ready"
    endings = VideoEndings(studio.database)
    now = (await endings.rows([handle.id]))[handle.id]
    assert not await endings.write(of_before, now, Executions(studio.temporal).result)
    assert (await row(studio))["status"] == "video_ready"
    assert await reconciler.reconcile() == []


async def test_the_reconciler_finds_what_ended_without_our_code(
    studio: StudioAtWork, reconciler: VideoReconciler
) -> None:
    """Each kind of end, and a row whose video was never started."""
    ended = await waiting(studio)
    await ended.terminate()
    await reconciled(studio, reconciler, "terminated")
    assert await reconciler.reconcile() == []

    await studio.rows("update videos set status = 'processing', checked_at = 'epoch', updated_at = 'epoch' returning 1")
    await studio.rows("insert into videos (channel, video_id, workflow_id, provider, status, clip_count, revision, "
                      "checked_at, updated_at) values ('poke1', 'never', 'video/poke1/never', 'kling', 'queued', 1, 0, "
                      "'epoch', 'epoch') returning 1")  # fmt: skip
    await reconciler.reconcile()
    statuses = {one["video_id"]: one["status"] for one in await studio.rows("select video_id, status from videos")}
    assert statuses == {"vid_1": "terminated", "never": "gone"}


async def test_a_timeout_of_the_workflow_is_an_end_with_a_reason(studio: StudioAtWork, starter: Starter) -> None:
    await studio.gate.execute_update(GateWorkflow.set_limit, 0)
    handle = await studio.temporal.start_workflow(
        VideoWorkflow.run,
        await studio.request(clips=1),
        id=video_workflow_id("poke1", "vid_1"),
        task_queue=TaskQueue.STUDIO,
        execution_timeout=timedelta(seconds=1),
    )
    assert await closed(handle) is WorkflowExecutionStatus.TIMED_OUT
    shown = (await starter("video", "status", NAME, "--json")).json
    assert (shown["status"], "timeout" in shown["message"]) == ("timed_out", True)
    assert (await row(studio))["status"] == "timed_out"


async def test_a_reset_video_runs_again_in_the_row_too(studio: StudioAtWork, reconciler: VideoReconciler) -> None:
    handle = await waiting(studio)
    await handle.terminate(reason="a mistake")
    await reconciled(studio, reconciler, "terminated")
    description = await handle.describe()
    await studio.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=studio.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=description.run_id),
            reason="terminated by mistake",
            request_id="1",
            workflow_task_finish_event_id=4,
        )
    )
    await studio.rows("update videos set updated_at = 'epoch', status = 'terminated' returning 1")
    await eventually(
        lambda: studio.rows("select status from videos"),
        lambda rows: rows[0]["status"] in ("processing", "video_error", "video_ready"),
    )


async def test_after_temporals_retention_postgres_answers(studio: StudioAtWork, starter: Starter) -> None:
    result = await studio.make(await studio.request(clips=2))
    await delete(studio)
    shown = (await starter("video", "status", "vid_1", "--json")).json
    assert (shown["status"], shown["done"], shown["total"]) == ("video_ready", 2, 2)
    told = (await starter("video", "result", NAME, "--json")).json
    assert told == result.model_dump(mode="json")
    assert "billed 0.42 USD" in (await starter("video", "costs", NAME)).stdout
    assert (await starter("video", "takes", NAME)).code == 0
    resumed = await starter("video", "resume", NAME)
    assert (resumed.code, "nothing is missing" in resumed.stderr) == (ExitCode.WRONG_INPUT, True)
    assert "has ended" in (await starter("video", "cancel", NAME)).stderr
    for name in (NAME, "vid_1", "video/poke1/vid_1"):
        watched = await starter("watch", name)
        assert (watched.code, "has ended: video_ready" in watched.stderr) == (ExitCode.WRONG_INPUT, True), name
    edited = await starter("video", "edit", NAME, "1", "--prompt", "A door opens. Slow pan left.", "--wait", "--json")
    assert edited.code == 0, edited.stderr
    assert edited.json["summary"] == "Skipped 1 existing clips, generated 1 new clips"


async def test_an_unfinished_video_that_temporal_forgot_is_gone_and_can_be_resumed(
    studio: StudioAtWork, starter: Starter, kie: KieSimulator
) -> None:
    await waiting(studio)
    await delete(studio)
    await studio.rows("update videos set updated_at = 'epoch' returning 1")
    shown = (await starter("video", "status", NAME, "--json")).json
    assert (shown["status"], "video resume" in shown["message"]) == ("gone", True)
    assert (await starter("video", "resume", NAME)).code == 0
    handle: Handle = studio.temporal.get_workflow_handle_for(VideoWorkflow.run, video_workflow_id("poke1", "vid_1"))
    assert (await handle.result()).summary == "Skipped 1 existing clips, generated 1 new clips"
    assert kie.ledger.accepted == 3


async def test_what_a_video_has_cost_is_one_figure(studio: StudioAtWork, starter: Starter, kie: KieSimulator) -> None:
    """With an order that failed and was billed, a take of another video, and a second run."""
    kie.order(match="corridor 02", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=2))
    await studio.waiting(handle)

    async def figures() -> set[Decimal]:
        shown = (await starter("video", "status", NAME, "--json")).json
        listed = (await starter("video", "list", "--json")).json
        written = await studio.rows("select total_cost_usd from videos where video_id = 'vid_1'")
        booked = await studio.rows("select coalesce(sum(coalesce(billed_usd, price_usd)), 0) as usd from submissions "
                                   "where video_id = 'vid_1' and state = 'settled'")  # fmt: skip
        newest: Handle = studio.temporal.get_workflow_handle_for(VideoWorkflow.run, handle.id)
        asked = await newest.query(VideoWorkflow.progress)
        (line,) = [
            one
            for one in (await starter("video", "costs", NAME)).stdout.splitlines()
            if "billed" in one and "USD (" in one
        ]
        own = next(one for one in listed if one["video_id"] == "vid_1")
        return {
            *map(Decimal, (shown["cost_usd"], own["total_cost_usd"], line.split()[1])),
            *(written[0]["total_cost_usd"], booked[0]["usd"], asked.cost_usd),
        }

    assert len(await figures()) == 1
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert await figures() == {result.total_cost_usd}
    edited = await starter("video", "edit", NAME, "1", "--prompt", "A door opens. Slow pan left.", "--wait", "--json")
    assert await figures() == {Decimal(edited.json["total_cost_usd"])}
    assert Decimal(edited.json["total_cost_usd"]) == result.total_cost_usd + Decimal("0.21")


async def test_a_video_is_known_by_its_name_from_its_start_on(studio: StudioAtWork, starter: Starter) -> None:
    """Before any worker has written it down: started by a service, then by the command line."""
    await studio.close()
    await studio.start(await studio.request(clips=1))
    shown = await starter("video", "status", "vid_1", "--json")
    assert (shown.code, shown.json["status"]) == (0, "queued"), shown.stderr
    assert "No worker answers" in shown.json["note"]
    assert (await starter("video", "costs", "vid_1")).code == 0


async def test_a_finished_or_unknown_video_gets_a_sentence_and_exit_code_2(
    studio: StudioAtWork, starter: Starter
) -> None:
    await studio.make(await studio.request(clips=1))
    for command in (["video", "resume", NAME], ["video", "cancel", NAME], ["video", "stop", NAME, "1"]):
        done = await starter(*command)
        assert (done.code, done.stdout) == (ExitCode.WRONG_INPUT, ""), command
        assert "Traceback" not in done.stderr
    for name in ("status", "resume", "cancel", "result", "costs", "takes"):
        done = await starter("video", name, "poke1/nothing")
        assert (done.code, "No video is called poke1/nothing" in done.stderr) == (ExitCode.WRONG_INPUT, True), name


def test_every_status_has_ended_or_is_open() -> None:
    assert {status for status in VideoStatus if not status.ended} == {
        "queued",
        "processing",
        "video_error",
        "budget_reached",
    }
