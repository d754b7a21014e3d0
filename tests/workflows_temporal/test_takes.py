"""Takes: what is made from the same inputs is made once in a channel, and paid once."""

import asyncio
from typing import Any

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipRequest
from studio.contracts.video import Provider, VideoRequest, VideoResult
from studio.objects import keys
from studio.store.takes import TakeStore
from tests.studio_at_work import StudioAtWork

SKIPPED = "Skipped {} existing clips, generated {} new clips"


def changed(request: VideoRequest, number: int, **changes: Any) -> VideoRequest:
    """The same video with one clip changed."""
    clips = [clip.model_copy(update=changes) if clip.number == number else clip for clip in request.clips]
    return request.model_copy(update={"clips": clips})


def renamed(request: VideoRequest, video_id: str) -> VideoRequest:
    """Another video of the same clips."""
    return request.model_copy(update={"video_id": video_id})


def takes(result: VideoResult) -> list[str | None]:
    return [clip.take for clip in result.clips]


OTHER_STRENGTH = 0.9
"""Ready-made clips of this strength are other files than those before."""


async def test_a_changed_prompt_costs_one_order(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=3)
    first = await studio.make(request)
    kie.configure(strength=OTHER_STRENGTH)
    second = await studio.make(changed(request, 2, prompt="Haunter laughs and fades away. Slow pan left."))
    assert kie.ledger.accepted == 4
    assert second.summary == SKIPPED.format(2, 1)
    assert [one == other for one, other in zip(takes(first), takes(second), strict=True)] == [True, False, True]
    assert [clip.reused for clip in second.clips] == [True, False, True]
    assert second.video.sha256 != first.video.sha256
    assert second.total_cost_usd == first.total_cost_usd * 4 / 3


async def test_an_older_take_can_be_chosen_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    first = await studio.make(request)
    other = changed(request, 2, prompt="Haunter laughs and fades away. Slow pan left.")
    kie.configure(strength=OTHER_STRENGTH)
    between = await studio.make(other)
    back = await studio.make(changed(other, 2, take=first.clips[1].take))
    assert kie.ledger.accepted == 3
    assert back.video.sha256 == first.video.sha256 != between.video.sha256
    assert takes(back) == takes(first)
    assert back.summary == SKIPPED.format(2, 0)


async def test_the_same_inputs_are_made_again_only_when_asked(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    first = await studio.make(request)
    again = await studio.make(changed(request, 2, variant=2))
    assert kie.ledger.accepted == 3
    assert takes(again)[0] == takes(first)[0]
    assert takes(again)[1] != takes(first)[1]
    clip = again.clips[1]
    listed = await TakeStore(studio.database).of_clip(studio.clip(2))
    assert [(take.take, take.verdict) for take in listed] == [(takes(first)[1], "good"), (clip.take, "chosen")]
    assert {take.cost_usd for take in listed} == {clip.cost_usd}


async def test_another_video_of_the_channel_uses_what_is_there(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    first = await studio.make(request)
    second = await studio.make(renamed(request, "vid_2"))
    assert kie.ledger.accepted == 2
    assert second.video.sha256 == first.video.sha256
    assert second.total_cost_usd == 0
    prefix = keys.video_prefix("poke1", "vid_2")
    assert [key for key in await studio.objects.keys(prefix) if "/clips/" in key] == [
        f"{prefix}/clips/clip_{number:02d}.mp4" for number in (1, 2)
    ]


async def test_two_videos_at_once_share_their_orders(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    one, other = await asyncio.gather(studio.make(request), studio.make(renamed(request, "vid_2")))
    assert kie.ledger.accepted == 2
    assert one.video.sha256 == other.video.sha256
    (spent,) = await studio.rows("select sum(billed_usd) as usd from submissions")
    assert one.total_cost_usd + other.total_cost_usd == spent["usd"]


async def test_clips_of_one_video_that_are_alike_are_one_take(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    alike = ClipRequest(number=2, still=request.clips[0].still, prompt=request.clips[0].prompt)
    result = await studio.make(request.model_copy(update={"clips": [request.clips[0], alike]}))
    assert kie.ledger.accepted == 1
    assert takes(result)[0] == takes(result)[1]


async def test_another_channel_orders_its_own(studio: StudioAtWork, kie: KieSimulator) -> None:
    await studio.make(await studio.request(clips=1))
    await studio.make(await studio.request(clips=1, channel="poke2"))
    assert kie.ledger.accepted == 2


async def test_a_take_whose_file_is_gone_is_fetched_or_made_again(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=1)
    first = await studio.make(request)
    (clip,) = first.clips
    assert clip.file is not None
    await studio.objects.delete(clip.file.media.key)
    second = await studio.make(request)
    assert kie.ledger.accepted == 1, "the provider still had it"
    assert second.video.sha256 == first.video.sha256


async def test_what_the_local_renderer_drew_is_not_drawn_again(studio: StudioAtWork) -> None:
    request = await studio.request(clips=2, provider=Provider.ANIMATIC)
    await studio.make(request)
    second = await studio.make(changed(request, 1, prompt="Other words, the same move. Slow dolly forward."))
    assert second.summary == SKIPPED.format(2, 0)
    third = await studio.make(changed(request, 1, strength=0.9))
    assert third.summary == SKIPPED.format(1, 1)
