"""Records the histories that `test_replay.py` replays: `poe record-history`, or only those of some scenarios by name.

Every way a video can go is made once, on a real server, and its finished history is kept as JSON. A change to workflow
code that could meet a running video has to replay all of them; only when it is meant to (and patched where videos run)
are they recorded anew.
"""

import asyncio
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from local.postgres import start_postgres
from local.stack import ROOT
from local.temporal_server import start_temporal
from simulators.comfyui import ComfyConfig, ComfySimulator
from simulators.kie import KieConfig, KieSimulator
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipStatus
from studio.contracts.desk import Decision, DecisionKind
from studio.contracts.project import ProjectName, RenderChoices
from studio.contracts.project_draft import DraftedSentence, ProjectDraft
from studio.contracts.video import OnUnknown, Provider, VideoProgress, VideoStatus
from studio.ending import run_and_leave
from studio.store.budgets import BudgetStore
from studio.store.desk import DeskStore
from tests.renders import running
from tests.replay import fingerprints
from tests.story import Story
from tests.studio_at_work import HEIGHT, QUEUES, WIDTH, Handle, StudioAtWork, eventually, make_studio
from workflows_temporal.addresses import (
    TaskQueue,
    desk_workflow_id,
    late_workflow_id,
    project_draft_workflow_id,
    project_review_workflow_id,
)
from workflows_temporal.connection import connect
from workflows_temporal.desk import DeskWorkflow
from workflows_temporal.project import ProjectWorkflow
from workflows_temporal.project_draft import ProjectDraftWorkflow
from workflows_temporal.project_review import ProjectReviewWorkflow
from workflows_temporal.video import VideoWorkflow

HISTORIES = Path(__file__).parent / "histories"

AnyHandle = WorkflowHandle[Any, Any]
T = TypeVar("T", bound=AnyHandle)
Scenario = Callable[[StudioAtWork], Awaitable[AnyHandle | tuple[AnyHandle, ...]]]
"""Returns the video, and whatever else took part; those are called after the first part of their ids."""
GpuScenario = Callable[[StudioAtWork, ComfySimulator], Awaitable[AnyHandle]]


async def happy(studio: StudioAtWork) -> Handle:
    """Three clips, all well."""
    return await _finished(studio, await studio.start(await studio.request("happy", clips=3)))


async def refused_and_resumed(studio: StudioAtWork) -> Handle:
    """A key that is refused for an order, then mended."""
    studio.kie.script("createTask", [{"body_code": 401}])
    handle = await studio.start(await studio.request("refused", clips=3))
    await studio.waiting(handle)
    await handle.signal(VideoWorkflow.resume)
    return await _finished(studio, handle)


async def failed_and_resumed(studio: StudioAtWork) -> Handle:
    """One clip fails at the provider, one comes as a bad file, one answer is late; then all is made good."""
    studio.kie.order(match="corridor 01", fail="internal", count=1)
    studio.kie.order(match="corridor 02", clip="empty", count=1)
    studio.kie.order(match="corridor 03", duration=900, count=1)
    handle = await studio.start(await studio.request("failed", clips=4, clip_deadline_seconds=2))
    await studio.waiting(handle)
    studio.kie.advance(900)
    await handle.signal(VideoWorkflow.resume)
    return await _finished(studio, handle)


async def bad_key(studio: StudioAtWork) -> Handle:
    """The account is refused before anything is ordered; then the key is mended."""
    studio.kie.script("credit", [{"body_code": 401}])
    handle = await studio.start(await studio.request("bad-key", clips=2))
    await studio.waiting(handle)
    await handle.signal(VideoWorkflow.resume)
    return await _finished(studio, handle)


async def unknown(studio: StudioAtWork) -> Handle:
    """An order whose answer got lost; the video is cancelled in the end."""
    studio.kie.script("createTask", ["accept_then_reset"], match="corridor 02")
    handle = await studio.start(await studio.request("unknown", clips=2))
    await studio.waiting(handle)
    await handle.cancel()
    return await _finished(studio, handle)


async def lost_and_found(studio: StudioAtWork) -> Handle:
    """An order whose answer got lost; a callback finds it while the video waits for it."""
    studio.kie.script("createTask", ["accept_then_reset"], match="corridor 02")
    handle = await studio.start(await studio.request("lost", clips=2, unknown_wait_seconds=600))
    (order,) = await eventually(DeskStore(studio.database).lost, bool)
    (task,) = [task.task_id for task in studio.kie.ledger.tasks if "corridor 02" in task.prompt]
    told = CalledBack(submission_id=order.submission_id, number=2, task_id=task)
    await handle.signal(VideoWorkflow.called_back, told)
    return await _finished(studio, handle)


async def bought_twice(studio: StudioAtWork) -> tuple[AnyHandle, ...]:
    """An order whose answer got lost is sent again; the first one calls back while the second is watched."""
    studio.kie.configure(duration=(3_000, 3_000))
    studio.kie.script("createTask", ["accept_then_reset"])
    handle = await studio.start(await studio.request("twice", clips=1, on_unknown=OnUnknown.RESUBMIT))
    rows = await eventually(lambda: studio.rows("select id from submissions where state = 'accepted'"), bool)
    (lost,) = await studio.rows("select id from submissions where verdict = 'written_off'")
    first, second = (task.task_id for task in studio.kie.ledger.tasks)
    await handle.signal(VideoWorkflow.called_back, CalledBack(submission_id=lost["id"], number=1, task_id=first))
    late = studio.temporal.get_workflow_handle(late_workflow_id(lost["id"]))
    await eventually(lambda: _is_there(late), bool)
    studio.kie.advance(3_000)
    await handle.signal(VideoWorkflow.called_back, CalledBack(submission_id=rows[0]["id"], number=1, task_id=second))
    return await _finished(studio, handle), await _finished(studio, late)


async def adopted(studio: StudioAtWork) -> tuple[AnyHandle, ...]:
    """A person names the task of a lost order."""
    studio.kie.script("createTask", ["accept_then_reset"])
    handle = await studio.start(await studio.request("adopted", clips=1))
    await studio.waiting(handle)
    (order,) = await DeskStore(studio.database).lost()
    task_id = studio.kie.ledger.tasks[0].task_id
    decision = Decision(submission_id=order.submission_id, kind=DecisionKind.ADOPT, who="a", why="b", task_id=task_id)
    desk = await studio.temporal.start_workflow(
        DeskWorkflow.run, decision, id=desk_workflow_id(order.submission_id), task_queue=TaskQueue.STUDIO
    )
    return await _finished(studio, handle), await _finished(studio, desk)


async def edited(studio: StudioAtWork) -> Handle:
    """A finished video with another prompt for one clip, and an older take chosen for another."""
    request = await studio.request("edited", clips=3)
    first = await studio.make(request)
    changes: dict[int, dict[str, Any]] = {
        2: {"prompt": "Something else moves. Slow pan left."},
        3: {"take": first.clips[2].take},
    }
    clips = [clip.model_copy(update=changes.get(clip.number, {})) for clip in request.clips]
    return await _finished(studio, await studio.start(request.model_copy(update={"clips": clips})))


async def over_budget(studio: StudioAtWork) -> Handle:
    """Two of three clips fit into the budget; then it is raised."""
    handle = await studio.start(await studio.request("budget", clips=3, budget_usd="0.42"))
    await studio.waiting(handle, VideoStatus.BUDGET_REACHED)
    await BudgetStore(studio.database).set("video/poke1/budget", Decimal(1))
    await handle.signal(VideoWorkflow.resume)
    return await _finished(studio, handle)


async def topped_up(studio: StudioAtWork) -> Handle:
    """The account is empty after one clip; somebody pays in, and the gate tells the video that it has opened."""
    studio.kie.configure(credits=60)
    handle = await studio.start(await studio.request("topped-up", clips=3))
    await studio.waiting(handle)
    studio.kie.configure(credits=1_000)
    return await _finished(studio, handle)


async def cancelled(studio: StudioAtWork) -> Handle:
    """Cancelled while some clips are with the provider and others wait."""
    studio.kie.configure(duration=(500, 500))
    handle = await studio.start(await studio.request("cancelled", clips=8))

    def half_way(progress: VideoProgress) -> bool:
        return sum(clip.status is ClipStatus.RENDERING for clip in progress.clips) == 5

    await eventually(lambda: handle.query(VideoWorkflow.progress), half_way)
    await handle.cancel()
    studio.kie.configure(duration=(30, 60))
    return await _finished(studio, handle)


async def expired_link(studio: StudioAtWork) -> Handle:
    """A file whose address has expired is fetched under a new one."""
    studio.kie.script("files", [{"http": 404}])
    return await _finished(studio, await studio.start(await studio.request("expired", clips=1)))


async def animatic(studio: StudioAtWork) -> Handle:
    """Drawn here, without a provider; with a page in Notion."""
    request = await studio.request("animatic", clips=2, provider=Provider.ANIMATIC, notion_page="0" * 32)
    return await _finished(studio, await studio.start(request))


async def comfyui(studio: StudioAtWork, comfy: ComfySimulator) -> Handle:
    """A video by a ComfyUI graph; one clip fails, then all is made good."""
    comfy.order(fail="the tensor is haunted", count=1)
    video = await studio.request("comfyui", clips=2, provider=Provider.COMFYUI, width=256, height=256)
    handle = await studio.start(video)
    await studio.waiting(handle)
    await handle.signal(VideoWorkflow.resume)
    return await _finished(studio, handle)


async def picture(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """A sentence's picture; the sentence is changed while it renders."""
    story = Story(studio)
    await story.begin("s1")
    comfy.order(seconds=300, count=1)
    handle = await story.start_image()
    await running(comfy)
    await story.write(text="Gengar grins.")
    return await _finished(studio, handle)


async def sentence_clip(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """A sentence's clip, as long as what is said."""
    story = Story(studio)
    await story.begin("s1")
    await story.image()
    await story.write(audio_file=await story.speech(1.5))
    return await _finished(studio, await story.start_clip())


async def clip_without_picture(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """A clip that cannot be made."""
    story = Story(studio)
    await story.begin("s1")
    return await _finished(studio, await story.start_clip())


async def project(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """Pictures of a project: one cannot be planned, one fails on the server, one is there already, one is made."""
    story = Story(studio)
    await story.begin("s1", "s2", "s3", "s4")
    await story.image("s3")
    await story.write("s1", image=RenderChoices(model_id="nothing"))
    await story.write("s3", text="Changed.")
    await story.write("s3")
    comfy.order(fail="the tensor is haunted", count=1)
    return await _finished(studio, await story.start_batch())


async def cancelled_project(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """Pictures of a project, cancelled while the first one renders."""
    story = Story(studio)
    await story.begin("s1", "s2", "s3")
    comfy.order(seconds=6_000)
    handle = await story.start_batch()
    await running(comfy)
    await handle.cancel()
    return await _finished(studio, handle)


async def stopped(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """A video, one of whose clips is stopped while it renders, and made after all."""
    comfy.order(seconds=6_000, count=1)
    video = await studio.request("stopped", clips=2, provider=Provider.COMFYUI, width=256, height=256)
    handle = await studio.start(video)
    await running(comfy)
    for number in (1, 2):  # whichever renders, and the one that waits
        await handle.signal(VideoWorkflow.stop, number)
    await studio.waiting(handle)
    await handle.signal(VideoWorkflow.resume)
    return await _finished(studio, handle)


async def stopped_project(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """Pictures of a project, the first of which is stopped while it renders."""
    story = Story(studio)
    await story.begin("s1", "s2")
    comfy.order(seconds=6_000, count=1)
    handle = await story.start_batch()
    await running(comfy)
    await handle.signal(ProjectWorkflow.stop, "s1")
    return await _finished(studio, handle)


async def project_draft(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """A project is written."""
    draft = ProjectDraft(channel="poke1", project_id="story", sentences=(DraftedSentence(sentence_id="s1", text="A"),))
    name = project_draft_workflow_id("poke1", "story")
    handle = await studio.temporal.start_workflow(ProjectDraftWorkflow.run, draft, id=name, task_queue=TaskQueue.STUDIO)
    return await _finished(studio, handle)


async def project_review(studio: StudioAtWork, comfy: ComfySimulator) -> AnyHandle:
    """A project is compared with what would be made today."""
    await project_draft(studio, comfy)
    project = ProjectName(channel="poke1", project_id="story")
    name = project_review_workflow_id("poke1", "story")
    handle = await studio.temporal.start_workflow(
        ProjectReviewWorkflow.run, project, id=name, task_queue=TaskQueue.STUDIO
    )
    return await _finished(studio, handle)


SCENARIOS: tuple[Scenario, ...] = (
    happy,
    refused_and_resumed,
    failed_and_resumed,
    bad_key,
    unknown,
    lost_and_found,
    bought_twice,
    adopted,
    edited,
    over_budget,
    topped_up,
    cancelled,
    expired_link,
    animatic,
)


GPU_SCENARIOS: tuple[GpuScenario, ...] = (
    comfyui,
    picture,
    sentence_clip,
    clip_without_picture,
    project,
    cancelled_project,
    stopped,
    stopped_project,
    project_draft,
    project_review,
)
"""With a ComfyUI server; nothing of theirs goes through the gate."""


async def record(names: Collection[str] = ()) -> None:
    """Run every scenario, or those of these names, in a studio of its own; keep the histories of all who took part."""
    for scenario in SCENARIOS:
        if names and scenario.__name__ not in names:
            continue
        async with _studio() as studio:
            told = await scenario(studio)
            video, *others = told if isinstance(told, tuple) else (told,)
            await _keep(video, scenario.__name__)
            for other in others:
                await _keep(other, f"{scenario.__name__}_{other.id.partition('/')[0]}")
            await _keep(studio.gate, f"{scenario.__name__}_gate")
    for gpu_scenario in GPU_SCENARIOS:
        if names and gpu_scenario.__name__ not in names:
            continue
        async with ComfySimulator(ComfyConfig(speed=100, files="placeholder", prompt_seconds=20)) as comfy:
            async with _studio(comfyui_url=comfy.urls["api_url"], comfyui_rest_seconds=0.5) as studio:
                await _keep(await gpu_scenario(studio, comfy), gpu_scenario.__name__)
    fingerprints.write()


async def _finished(studio: StudioAtWork, handle: T) -> T:
    try:
        await handle.result()
    except WorkflowFailureError:
        pass
    return handle


async def _is_there(handle: AnyHandle) -> bool:
    try:
        await handle.describe()
    except RPCError:
        return False
    return True


async def _keep(handle: AnyHandle, name: str) -> None:
    history = await handle.fetch_history()
    # Stack traces and identities tell of the machine they were recorded on.
    text = history.to_json().replace(f"{ROOT}/", "").replace(f"@{socket.gethostname()}", "@worker")
    (HISTORIES / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(f"{name}: {len(history.events)} events")


@asynccontextmanager
async def _studio(**changes: Any) -> AsyncIterator[StudioAtWork]:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = await start_temporal(None, logs=folder)
        stack.push_async_callback(server.process.stop)
        postgres = await start_postgres(folder / "postgres", logs=folder)
        stack.push_async_callback(postgres.stop)
        config = KieConfig(speed=100, clips="placeholder", placeholder_size=(WIDTH, HEIGHT), duration=(30.0, 60.0))
        kie = await stack.enter_async_context(KieSimulator(config))
        url = await postgres.ensure_database("record")
        studio = make_studio(
            await connect(server.address), url, kie, folder, stack, kie_callback_url="http://127.0.0.1:9", **changes
        )
        await studio.open(*QUEUES, *([TaskQueue.GPU] if "comfyui_url" in changes else []))
        yield studio


if __name__ == "__main__":
    run_and_leave(lambda: asyncio.run(record(sys.argv[1:])))
