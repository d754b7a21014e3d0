"""A video from beginning to end, on real Temporal and PostgreSQL, against a simulated KIE.ai."""

from decimal import Decimal
from functools import partial

import av
import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, WorkflowAlreadyStartedError

from simulators.kie import KieSimulator
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipStatus
from studio.contracts.video import Provider, VideoProgress, VideoRequest, VideoStatus
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.video import VideoWorkflow


async def test_stills_become_one_video_with_a_bill_and_a_contact_sheet(studio: StudioAtWork, kie: KieSimulator) -> None:
    handle = await studio.start(await studio.request(clips=3))
    result = await handle.result()
    assert kie.ledger.accepted == kie.ledger.billed == 3
    assert result.total_cost_usd == Decimal("0.63")
    assert result.frames == sum(clip.file.frames for clip in result.clips if clip.file)
    assert result.seconds == pytest.approx(3 * 121 / 24, abs=0.05)
    assert result.summary == "Skipped 0 existing clips, generated 3 new clips"
    prefix = "channels/poke1/videos/vid_1"
    assert await studio.objects.keys(prefix) == [
        *(f"{prefix}/clips/clip_{n:02d}.mp4" for n in range(1, 4)),
        *(f"{prefix}/stills/clip_{n:02d}.png" for n in range(1, 4)),
        f"{prefix}/vid_1.mp4",
        f"{prefix}/vid_1_sheet.png",
    ]
    await _the_web_ui_tells_the_story(studio, handle)


async def _the_web_ui_tells_the_story(studio: StudioAtWork, handle: Handle) -> None:
    history = await handle.fetch_history()
    labels = {event.user_metadata.summary.data.decode() for event in history.events}
    assert {'"clip 01"', '"clip 02"', '"clip 03"'} <= labels
    found = [w async for w in studio.temporal.list_workflows("Channel = 'poke1' AND VideoStatus = 'video_ready'")]
    assert [w.id for w in found] == ["video/poke1/vid_1"]
    details = await handle.query("__temporal_workflow_metadata")
    assert "3 done" in str(details)


async def test_videos_of_the_same_name_in_two_channels_do_not_meet_and_have_their_own_titles(
    studio: StudioAtWork,
) -> None:
    """The title is in a video's metadata; a video without one has none."""
    titles = {"poke1": "Der Hafen: Nacht 影", "poke2": None}
    requests = [await studio.request(clips=1, channel=channel, title=title or "") for channel, title in titles.items()]
    handles = [await studio.start(request) for request in requests]
    for handle, (channel, title) in zip(handles, titles.items(), strict=True):
        result = await handle.result()
        assert result.video.key == f"channels/{channel}/videos/vid_1/vid_1.mp4"
        path = await studio.objects.fetch(result.video, studio.folder / f"{channel}.mp4")
        with av.open(str(path)) as video:
            assert video.metadata.get("title") == title


async def test_postgres_tells_the_same_story(studio: StudioAtWork) -> None:
    await studio.make(await studio.request(clips=2, seconds=10))
    (video,) = await studio.rows("select status, total_cost_usd, clip_count from videos")
    assert video == {"status": "video_ready", "total_cost_usd": Decimal("0.84"), "clip_count": 2}
    clips = await studio.rows("select number, status, frames, cost_usd, generation_seconds from clips order by number")
    assert [(c["number"], c["status"], c["frames"], c["cost_usd"]) for c in clips] == [
        (1, "done", 241, Decimal("0.42")),
        (2, "done", 241, Decimal("0.42")),
    ]
    assert all(c["generation_seconds"] > 0 for c in clips)
    (cost,) = await studio.rows("select component, cost_usd, api_calls, units_consumed from video_costs")
    assert cost == {
        "component": "kling_video_clips",
        "cost_usd": Decimal("0.84"),
        "api_calls": 2,
        "units_consumed": 2,
    }
    submissions = await studio.rows("select state, verdict, billed_usd from submissions")
    assert submissions == [{"state": "settled", "verdict": "delivered", "billed_usd": Decimal("0.42")}] * 2


async def test_never_more_than_the_gate_allows_are_in_flight(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(120, 120))  # long enough for the gate to fill
    await studio.make(await studio.request(clips=7))
    assert kie.ledger.max_in_flight == 5


async def test_the_local_renderer_makes_a_video_without_any_provider(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2, provider=Provider.ANIMATIC)
    result = await studio.make(request)
    assert result.frames == 240
    assert result.costs == []
    assert kie.ledger.accepted == 0


async def test_a_backend_service_starts_a_video_with_plain_json_once_and_its_prompt_arrives_in_order(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """The prompt has five parts, and two of them are empty. The same video cannot run twice."""
    request = (await studio.request(clips=1)).model_dump(mode="json", exclude_defaults=True)
    request["clips"][0]["prompt"] = {"camera": "Slow orbit", "action": "A cat wakes", "details": "Ears twitch"}
    start = partial(
        studio.temporal.start_workflow, "VideoWorkflow", request, id="video/poke1/vid_1", task_queue="studio"
    )
    handle = await start(result_type=dict)
    with pytest.raises(WorkflowAlreadyStartedError):
        await start()
    result = await handle.result()
    assert result["total_cost_usd"] in ("0.21", "0.210", "0.210000", "0.2100")
    assert kie.ledger_json()["tasks"][0]["prompt"] == "A cat wakes. Ears twitch. Slow orbit."


REFUSED: list[tuple[dict[str, object], str]] = [
    ({"clips": []}, "clips: is empty"),
    ({"channel": "../etc"}, "channel: must have 1 to 100 letters"),
    ({"provider": "sora"}, 'provider: must be kling, comfyui or animatic, not "sora"'),
    ({"width": 1921}, "width: must be a multiple of 2, not 1921"),
]


async def test_an_input_that_does_not_fit_fails_at_once_with_its_path(studio: StudioAtWork) -> None:
    good = (await studio.request(clips=1)).model_dump(mode="json")
    for change, reason in REFUSED:
        handle = await studio.temporal.start_workflow(
            "VideoWorkflow", good | change, id="video/poke1/vid_1", task_queue=TaskQueue.STUDIO
        )
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        assert isinstance(failure.value.cause, ApplicationError)
        assert failure.value.cause.type == "InvalidRequest"
        assert reason in failure.value.cause.message


async def _refusal(studio: StudioAtWork, request: VideoRequest) -> str:
    with pytest.raises(WorkflowFailureError) as failure:
        await studio.make(request)
    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "InvalidRequest"
    return failure.value.cause.message


async def test_a_video_that_would_waste_money_is_refused_before_anything_is_spent(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    good = await studio.request(clips=4)
    clips = list(good.clips)
    clips[0] = clips[0].model_copy(update={"prompt": "Slow pan left. A cat."})
    missing = MediaRef(key="channels/poke1/videos/vid_1/stills/none.png", sha256="0" * 64, mime="image/png")
    clips[1] = clips[1].model_copy(update={"still": missing})
    foreign = clips[2].still.model_copy(update={"key": "channels/poke2/videos/x/stills/a.png"})
    clips[2] = clips[2].model_copy(update={"still": foreign})
    changed = clips[3].still.model_copy(update={"sha256": "f" * 64})
    clips[3] = clips[3].model_copy(update={"still": changed})
    message = await _refusal(studio, good.model_copy(update={"clips": clips, "model": "kling/v9"}))
    assert "model: model 'kling/v9' is not one of" in message
    assert "clips.0.prompt: the prompt begins with camera movement" in message
    assert "clips.1.still: none.png: channels/poke1/videos/vid_1/stills/none.png is not in the object store" in message
    assert "clips.2.still.key: channels/poke2/videos/x/stills/a.png lies outside channel poke1" in message
    assert (
        "clips.3.still: clip_04.png: channels/poke1/videos/vid_1/stills/clip_04.png is not the file it was" in message
    )
    assert kie.ledger.accepted == kie.ledger.counters()["uploads"] == 0
    assert await studio.rows("select status, request from videos") == [{"status": "refused", "request": None}]


async def test_cancelling_ends_the_video_and_says_what_was_ordered(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(400, 400))
    handle = await studio.start(await studio.request(clips=6))
    await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: _rendering(p) == 5)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as failure:
        await handle.result()
    assert isinstance(failure.value.cause, CancelledError)
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    progress = await handle.query(VideoWorkflow.progress)
    assert progress.status is VideoStatus.CANCELLED
    assert progress.message.startswith("5 clips were already ordered: 1.05 USD")
    assert {clip.status for clip in progress.clips} == {ClipStatus.CANCELLED}
    (video,) = await studio.rows("select status, message from videos")
    assert video["status"] == "cancelled"
    assert video["message"] == progress.message
    assert [key for key in await studio.objects.keys("channels") if key.endswith(".mp4")] == []


def _rendering(progress: VideoProgress) -> int:
    return sum(clip.status is ClipStatus.RENDERING for clip in progress.clips)
