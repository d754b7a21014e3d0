"""A paid clip whose file is broken, wrong or in another format: what one download gives is not believed at once."""

from pathlib import Path

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoRequest
from studio.media.probe import probe
from studio.objects import keys
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.addresses import late_workflow_id
from workflows_temporal.video import VideoWorkflow

REJECTED = "channels/poke1/videos/vid_1/rejected"
BROKEN: list[object] = [
    "zero_bytes",
    {"html": 200},
    {"body_code": 404},
    "invalid_json",  # half of the file, and a Content-Length that fits
    {"wrong_length": -1_000},
    "truncated_body",
    {"wrong_length": 1_000},
    "reset_before",
    {"http": 404},
]


async def verdicts(studio: StudioAtWork) -> set[str]:
    return {row["verdict"] for row in await studio.rows("select verdict from submissions")}


async def test_no_broken_download_makes_a_clip_bad(studio: StudioAtWork, kie: KieSimulator) -> None:
    """Each kind once, and every kind twice in a row: the next download is good, nothing is bought again."""
    kie.script("files", [fault for fault in BROKEN for _ in range(2)])
    await studio.make(await studio.request(clips=4))
    assert kie.ledger.accepted == 4
    assert await verdicts(studio) == {"delivered"}
    assert await studio.objects.keys(REJECTED) == []


async def test_only_the_same_broken_bytes_from_a_renewed_address_make_a_clip_bad(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Number of downloads and of renewals until it is given up, for files that are broken at the provider's."""
    kinds = ("empty", "html", "truncated")
    for number, kind in enumerate(kinds, start=1):
        kie.order(match=f"corridor {number:02d}", clip=kind, count=1)
    handle = await studio.start(await studio.request(clips=3))
    progress = await studio.waiting(handle)
    assert [clip.status for clip in progress.clips] == [ClipStatus.FAILED] * 3
    assert all("every download" in clip.note for clip in progress.clips)
    tried = await studio.rows(
        "select sum(times)::int as times, count(*) as links from broken_downloads group by task_id"
    )
    assert sorted((row["times"], row["links"]) for row in tried) == [(3, 2), (4, 2), (4, 2)]
    assert await verdicts(studio) == {"bad"}
    assert len(await studio.objects.keys(REJECTED)) == 1, "of a page and of nothing there is nothing to look at"
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.accepted == 6


async def test_faults_of_the_picture_condemn_at_once(studio: StudioAtWork, kie: KieSimulator) -> None:
    kinds = ("black", "frozen", "wrong_length")
    for number, kind in enumerate(kinds, start=1):
        kie.order(match=f"corridor {number:02d}", clip=kind, count=1)
    # Not smaller: in a thumbnail an encoder's noise hides whether a picture stands still.
    kie.configure(placeholder_size=(640, 360))
    handle = await studio.start(await studio.request(clips=3, width=640, height=360))
    progress = await studio.waiting(handle)
    assert [clip.status for clip in progress.clips] == [ClipStatus.FAILED] * 3
    assert kie.ledger.counters()["downloads"] == 3
    assert len(await studio.objects.keys(REJECTED)) == 3
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.accepted == 6


async def test_another_codec_or_size_is_converted_and_noted_and_not_bought_again(
    studio: StudioAtWork, kie: KieSimulator, tmp_path: Path
) -> None:
    kie.order(match="corridor 01", clip="wrong_codec", count=1)
    kie.order(match="corridor 02", clip="wrong_size", count=1)
    kie.configure(placeholder_size=(320, 180))
    result = await studio.make(await studio.request(clips=3, width=320, height=180))
    assert kie.ledger.accepted == 3
    codec, size, usual = (clip.file for clip in result.clips)
    assert codec is not None and size is not None and usual is not None
    assert codec.conformed.startswith("conformed: encoded as ") and size.conformed.startswith("conformed: ")
    assert "instead of 320x180" in size.conformed and usual.conformed == ""
    for number, file in enumerate((codec, size), start=1):
        info = probe(await studio.objects.fetch(file.media, tmp_path / f"{number}.mp4"))
        assert (info.codec, info.width, info.height) == ("h264", 320, 180)
    (row,) = await studio.rows("select file->>'conformed' as words from takes where number = 2")
    assert row["words"] == size.conformed, "the take says so, too"


async def test_clips_that_are_wrong_in_the_same_way_one_after_the_other_close_the_gate(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Over videos: one of the first and two of the next. A good one between them breaks the row."""
    for corridor in ("01 of a", "02 of a", "01 of b", "01 of d", "02 of d"):
        kie.order(match=f"corridor {corridor}", clip="wrong_codec", count=1)

    async def made(video_id: str, clips: int) -> str | None:
        await studio.make(await studio.request(video_id, clips=clips))
        return (await studio.gate_state()).closed

    assert await made("a", 2) is None
    assert await made("c", 1) is None
    assert await made("b", 1) is None
    await studio.make(await studio.request("d", clips=2))
    state = await eventually(studio.gate_state, lambda gate: gate.closed is not None)
    assert state.closed is not None and "3 clips in a row" in state.closed and "instead of H.264" in state.closed
    assert kie.ledger.accepted == 6


async def test_a_late_clip_whose_download_is_broken_becomes_a_take_all_the_same(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.configure(duration=(500, 500))
    request: VideoRequest = await studio.request(clips=1)
    handle = await studio.start(request)
    progress = lambda: handle.query(VideoWorkflow.progress)  # noqa: E731
    await eventually(progress, lambda now: now.clips[0].status is ClipStatus.RENDERING)
    rows = await studio.rows("select id from submissions where state = 'accepted'")
    await handle.cancel()
    await eventually(handle.describe, lambda video: video.close_time is not None)
    kie.script("files", ["zero_bytes", "invalid_json", {"html": 200}])
    kie.advance(500)
    assert await studio.temporal.get_workflow_handle(late_workflow_id(str(rows[0]["id"]))).result()
    assert await verdicts(studio) == {"delivered"}
    assert len(await studio.objects.keys(f"{keys.channel_prefix('poke1')}takes")) == 2
