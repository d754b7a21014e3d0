"""A video that is changed: only what has no take yet is made, and nothing of what was made or paid is lost."""

import asyncio
import hashlib
import re
from decimal import Decimal
from typing import Any

import pytest

from commands.running import Handle, Restarted, handle_of, restart_video, standing, start_video
from commands.session import Session
from simulators.kie import KieSimulator
from studio.contracts.clip import ClipId
from studio.contracts.take import TakeOfClip
from studio.contracts.video import VideoName, VideoRequest, VideoResult, VideoStatus
from studio.edits import change_clip, choose, make_again
from studio.errors import InvalidRequest
from studio.store.budgets import BudgetStore
from studio.store.takes import TakeStore
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.gate import GateWorkflow

VIDEO = VideoName(channel="poke1", video_id="vid_1")
ANOTHER = "Haunter sinks through the floor. Slow dolly forward."


async def edit(session: Session, number: int, **changes: Any) -> Restarted:
    """`video edit`."""

    async def change(video: VideoRequest) -> VideoRequest:
        return change_clip(video, number, **changes)

    return await restart_video(session, VIDEO, f"clip {number:02d}", change)


async def again(session: Session, number: int) -> VideoResult:
    """`video edit --again --wait`."""

    async def change(video: VideoRequest) -> VideoRequest:
        return await make_again(video, number, TakeStore(session.database))

    return await (await restart_video(session, VIDEO, f"clip {number:02d} again", change)).handle.result()


async def use(session: Session, number: int, take: str) -> VideoResult:
    """`video choose --wait`."""

    async def change(video: VideoRequest) -> VideoRequest:
        return await choose(video, number, take, TakeStore(session.database))

    return await (await restart_video(session, VIDEO, f"clip {number:02d} {take}", change)).handle.result()


async def takes_of(session: Session, number: int) -> list[TakeOfClip]:
    clip = ClipId(channel=VIDEO.channel, video_id=VIDEO.video_id, number=number)
    return await TakeStore(session.database).of_clip(clip)


async def joins(handle: Handle) -> int:
    """How often a run has joined the video."""
    events = [event async for event in handle.fetch_history_events()]
    scheduled = [event.activity_task_scheduled_event_attributes.activity_type.name for event in events]
    return scheduled.count("join_clips")


async def test_another_prompt_is_one_order_and_a_video_joined_anew(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    before = await studio.make(await studio.request(clips=3))
    started = await edit(session, 2, prompt=ANOTHER)
    assert not started.replaced
    after = await started.handle.result()
    assert kie.ledger.accepted == 4
    assert kie.ledger.tasks[-1].prompt == ANOTHER
    assert after.summary == "Skipped 2 existing clips, generated 1 new clips"
    assert await joins(started.handle) == 1
    assert [clip.take for clip in after.clips][::2] == [clip.take for clip in before.clips][::2]
    assert after.total_cost_usd == Decimal("0.84")


async def test_the_same_again_is_a_further_take_and_another_order(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    await studio.make(await studio.request(clips=2))
    further = [await again(session, 1) for _ in range(2)]
    assert kie.ledger.accepted == 4
    assert len({task.prompt for task in kie.ledger.tasks}) == 2
    takes = await takes_of(session, 1)
    assert [take.verdict for take in takes] == ["good", "good", "chosen"]
    assert [take.parts.variant for take in takes] == [1, 2, 3]
    assert [result.clips[0].take for result in further] == [take.take for take in takes[1:]]


async def test_choosing_an_older_take_brings_the_older_video_back_and_orders_nothing(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    before = await studio.make(await studio.request(clips=2))
    changed = await (await edit(session, 2, prompt=ANOTHER, seconds=10)).handle.result()
    back = await use(session, 2, (before.clips[1].take or "")[:6])
    assert kie.ledger.accepted == 3
    assert changed.video.sha256 != before.video.sha256
    assert back.video.sha256 == before.video.sha256
    joined = (studio.folder / "objects" / back.video.key).read_bytes()
    assert hashlib.sha256(joined).hexdigest() == before.video.sha256
    assert [take.verdict for take in await takes_of(session, 2)] == ["chosen", "good"]


async def test_a_changed_clip_forgets_the_take_that_was_chosen_for_it(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    made = await studio.make(await studio.request(clips=2))
    await use(session, 2, made.clips[0].take or "")
    result = await (await edit(session, 2, prompt=ANOTHER)).handle.result()
    assert result.clips[1].take not in (made.clips[0].take, made.clips[1].take)
    assert kie.ledger.accepted == 3


async def test_another_video_of_the_channel_buys_nothing_and_another_channel_buys_everything(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    request = await studio.request(clips=2)
    first = await studio.make(request)
    second = await studio.make(request.model_copy(update={"video_id": "vid_2"}))
    assert kie.ledger.accepted == 2
    assert second.summary == "Skipped 2 existing clips, generated 0 new clips"
    files = [[clip.file.media.sha256 for clip in video.clips if clip.file] for video in (first, second)]
    assert files[0] == files[1]
    clips = []
    for clip in request.clips:
        key = clip.still.key.replace("channels/poke1/", "channels/poke2/")
        await studio.objects.copy(clip.still.key, key)
        clips.append(clip.model_copy(update={"still": clip.still.model_copy(update={"key": key})}))
    await studio.make(request.model_copy(update={"channel": "poke2", "clips": clips}))
    assert kie.ledger.accepted == 4


async def test_a_video_that_waits_after_a_failure_is_replaced_and_makes_only_what_changed(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    kie.order(match="corridor 02", fail="internal", count=1)
    waiting = await studio.start(await studio.request(clips=3))
    await studio.waiting(waiting, VideoStatus.VIDEO_ERROR)
    started = await edit(session, 2, prompt=ANOTHER)
    assert started.replaced
    result = await started.handle.result()
    assert result.summary == "Skipped 2 existing clips, generated 1 new clips"
    assert kie.ledger.accepted == 4
    (spoilt, made) = sorted(await takes_of(session, 2), key=lambda take: take.verdict == "chosen")
    assert spoilt.verdict.startswith("failed ")
    assert made.parts.prompt == ANOTHER


async def test_orders_on_their_way_are_found_again_by_the_run_that_replaces(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    """Three clips are with the provider when one of them is changed: the other two are not ordered again."""
    await studio.gate.execute_update(GateWorkflow.set_limit, 10)  # the places of the run that ended stay taken
    kie.order(match="corridor", duration=9_000)
    await studio.start(await studio.request(clips=3))

    async def accepted() -> int:
        return kie.ledger.accepted

    await eventually(accepted, lambda count: count == 3)
    started = await edit(session, 2, prompt=ANOTHER)
    assert started.replaced
    await eventually(accepted, lambda count: count == 4)
    kie.advance(9_000)
    result = await started.handle.result()
    assert result.summary == "Skipped 0 existing clips, generated 3 new clips"
    assert kie.ledger.accepted == 4
    assert kie.ledger.tasks[-1].prompt == ANOTHER


async def test_of_two_changes_at_once_none_gets_lost(studio: StudioAtWork, session: Session, kie: KieSimulator) -> None:
    """The second reads what the first has started, not what PostgreSQL was told before."""
    await studio.make(await studio.request(clips=3))
    await studio.gate.execute_update(GateWorkflow.set_limit, 0)
    changes = {1: "A door opens. Slow pan left.", 3: "A light goes out. Slow pan right."}
    await asyncio.gather(*(edit(session, number, prompt=prompt) for number, prompt in changes.items()))
    now = await standing(session, VIDEO)
    assert now is not None and now.running
    assert {number: now.request.clips[number - 1].prompt for number in changes} == changes
    await studio.gate.execute_update(GateWorkflow.set_limit, 5)
    result = await handle_of(session, VIDEO).result()
    assert result.summary == "Skipped 1 existing clips, generated 2 new clips"
    assert kie.ledger.accepted == 5


async def test_a_video_temporal_has_forgotten_is_changed_all_the_same(studio: StudioAtWork, session: Session) -> None:
    """After its retention PostgreSQL still knows what it was asked to be; a refused run counts for nothing."""
    request = await studio.request(clips=1)
    await studio.make(request)
    bad = request.clips[0].model_copy(update={"prompt": "Slow pan left. A cat."})
    refused = await start_video(session, request.model_copy(update={"clips": [bad]}))
    await eventually(refused.describe, lambda seen: seen.close_time is not None)
    now = await standing(session, VIDEO)
    assert now is not None
    assert now.request == request


async def test_a_budget_that_was_raised_by_hand_stays_raised(studio: StudioAtWork, session: Session) -> None:
    await studio.make(await studio.request(clips=1, budget_usd="0.30"))
    await BudgetStore(studio.database).set("video/poke1/vid_1", Decimal("1.00"))
    await again(session, 1)
    assert [limit.limit_usd for limit in await BudgetStore(studio.database).limits()] == [Decimal("1.00")]


async def test_a_change_that_cannot_be_made_is_refused_and_the_video_stays(
    studio: StudioAtWork, session: Session
) -> None:
    changes: list[tuple[int, dict[str, Any], str]] = [
        (2, {"prompt": "a" * 2_501}, "clips.1.prompt: has 2,501 characters, at most 2,500"),
        (2, {"prompt": "Slow pan left. A cat."}, "clips.1.prompt: the prompt begins with camera movement"),
        (1, {"seconds": 7}, "clips.0.seconds: must be 5 or 10"),
        (1, {"seconds": 5}, "clips.0: is like that already"),
        (3, {"prompt": ANOTHER}, "poke1/vid_1 has clips 1 to 2, no clip 3"),
    ]
    handle = await studio.start(await studio.request(clips=2))
    await handle.result()
    for number, change, reason in changes:
        with pytest.raises(InvalidRequest, match=re.escape(reason)):
            await edit(session, number, **change)
    for take, reason in (("abcde", "at least 6"), ("0" * 12, "none of channel poke1")):
        with pytest.raises(InvalidRequest, match=reason):
            await use(session, 1, take)
    assert (await handle.describe()).run_id == handle.first_execution_run_id
