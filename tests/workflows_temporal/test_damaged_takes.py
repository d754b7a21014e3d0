"""Takes whose files were changed or damaged: restored or downloaded again, never bought again."""

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.objects import keys
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.video import VideoWorkflow


def edit_in_place(studio: StudioAtWork, key: str) -> None:
    """As an editor does that neither asks for permission nor writes a new file; the length stays."""
    path = studio.folder / "objects" / key
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"edited")


async def test_a_damaged_take_comes_from_the_videos_copy_or_from_its_order_and_is_never_bought_again(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    request = await studio.request(clips=2)
    first = await studio.make(request)
    files = [clip.file.media for clip in first.clips if clip.file]
    for media in files:
        edit_in_place(studio, media.key)
    edit_in_place(studio, keys.clip_key(studio.clip(2)))
    downloads = kie.ledger.counters()["downloads"]
    again = await studio.make(request)
    assert kie.ledger.accepted == 2
    assert kie.ledger.counters()["downloads"] == downloads + 1, "of clip 1 the video's own copy is whole"
    assert [clip.file.media for clip in again.clips if clip.file] == files
    assert all([await studio.objects.is_intact(media) for media in files])
    assert len(await studio.objects.keys(f"{keys.channel_prefix('poke1')}damaged")) == 2
    assert (await studio.make(request)).summary == "Skipped 2 existing clips, generated 0 new clips"


async def test_a_damaged_take_that_nothing_has_any_more_is_a_failed_clip_and_not_bought_again(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    request = await studio.request(clips=1)
    first = await studio.make(request)
    edit_in_place(studio, keys.take_key("poke1", str(first.clips[0].take)))
    edit_in_place(studio, keys.clip_key(studio.clip(1)))
    kie.advance(90 * 86_400)
    await studio.waiting(await studio.start(request))
    assert kie.ledger.accepted == 1


async def test_a_take_that_is_damaged_before_the_join_is_fetched_again_by_itself(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Clip 1 is damaged, copy and all, while clip 2 is still being made."""
    kie.order(match="corridor 02", duration=500, count=1)
    handle = await studio.start(await studio.request(clips=2))
    progress = lambda: handle.query(VideoWorkflow.progress)  # noqa: E731
    now = await eventually(progress, lambda now: now.clips[0].status is ClipStatus.DONE)
    assert now.clips[1].status is not ClipStatus.DONE
    (take,) = [key for key in await studio.objects.keys("channels/poke1/takes") if key.endswith(".mp4")]
    edit_in_place(studio, take)
    edit_in_place(studio, keys.clip_key(studio.clip(1)))
    kie.advance(500)
    result = await handle.result()
    assert kie.ledger.accepted == 2
    assert [await studio.objects.is_intact(clip.file.media) for clip in result.clips if clip.file] == [True, True]
