"""Clips become a video: what agrees is copied, what differs is brought into line, and everything is counted."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from studio.contracts.clip import CameraMove
from studio.errors import BadClip, FfmpegFailed, InvalidRequest
from studio.media import _ffmpeg
from studio.media.concat import check_video, choose_house, copy_arguments, encode_all, house_key, join, list_text
from studio.media.conform import conform, conform_arguments, conform_filters
from studio.media.frames import frame_at
from studio.media.probe import ColourTags, probe
from tests.studio.media.conftest import Clips, Ff
from tests.studio.media.test_ffmpeg import processes_naming, until

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
OURS = (
    *(*X264, "-profile:v", "high", "-video_track_timescale", 90_000, "-color_range", "tv"),
    *("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"),
)


def pixels(path: Path) -> list[int]:
    """One number for the content of each frame."""
    with av.open(str(path)) as container:
        return [hash(frame.to_ndarray().tobytes()) for frame in container.decode(video=0)]


def times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        return [float(tick * (stream.time_base or 0)) for tick in ticks]


def assert_even(path: Path, frames: int, fps: int = 24) -> None:
    """No hole and no overlap anywhere: frame n is shown at n / fps."""
    np.testing.assert_allclose(times(path), np.arange(frames) / fps, atol=2e-4)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def three(clips: Clips) -> list[Path]:
    return [clips(move) for move in (CameraMove.PAN_LEFT, CameraMove.ZOOM_IN, CameraMove.ORBIT)]


# The text


def test_the_list_has_plain_names_and_exact_lengths() -> None:
    assert list_text([("clip_0000.mp4", 5.0), ("clip_0001.mp4", 121 / 24)]) == (
        "ffconcat version 1.0\nfile clip_0000.mp4\nduration 5.000000\nfile clip_0001.mp4\nduration 5.041667\n"
    )


def test_copying_takes_only_the_picture_and_keeps_the_time_base() -> None:
    argv = copy_arguments(Path("l.ffconcat"), Path("o.part.mp4"), 90_000, listed=True)
    assert argv[1:] == (
        "-f concat -i file:l.ffconcat -map 0:V:0 -c copy -map_chapters -1 -map_metadata -1 -movflags +faststart"
        " -video_track_timescale 90000 -write_tmcd 0 o.part.mp4"
    ).split(" ")


def test_conforming_the_same_shape_scales_and_another_shape_gets_bars(clips: Clips) -> None:
    house = probe(clips())
    same = dict(conform_filters(replace(house, width=640, height=360), house))
    assert "pad" not in same
    assert same["scale"]["flags"] == "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
    upright = dict(conform_filters(replace(house, width=180, height=320), house))
    assert upright["scale"]["force_original_aspect_ratio"] == "decrease"
    assert upright["pad"] == {"w": 320, "h": 180, "x": "-1", "y": "-1"}


def test_conforming_says_size_rate_and_colours_in_one_command(clips: Clips) -> None:
    house = replace(probe(clips()), fps=Fraction(30_000, 1_001))
    command = " ".join(conform_arguments(Path("a.mp4"), replace(house, width=640, height=360), Path("b.mp4"), house))
    assert (
        "[0:V:0]setpts=expr=PTS-STARTPTS[s0];[s0]fps=fps=30000/1001[s1];"
        "[s1]scale=flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp:h=180:out_color_matrix=bt709"
        ":out_range=limited:w=320[s2];[s2]setsar=sar=1/1[s3];"
        "[s3]setparams=color_primaries=1:color_trc=1:colorspace=1:range=1[s4]"
    ) in command
    assert "-video_track_timescale 90000" in command


# The house format


def test_the_house_is_what_most_clips_share(clips: Clips) -> None:
    ours = probe(clips())
    other = replace(ours, width=1280, height=720)
    assert choose_house([other, ours, ours]) == ours
    assert choose_house([ours, other, other, ours]) == ours  # as many: the first clip's
    assert choose_house([other, ours, ours, other]) == other


def test_a_format_we_cannot_write_is_not_the_house(clips: Clips) -> None:
    ours = probe(clips())
    hevc = replace(ours, codec="hevc", profile="Main")
    assert choose_house([hevc, hevc, ours]) == ours
    house = choose_house([hevc, hevc])
    assert (house.codec, house.profile, house.width, house.time_base) == ("h264", "High", 320, Fraction(1, 90_000))


def test_the_parameter_sets_do_not_count_the_time_base_does(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    ff("-i", clips(), *OURS, "-refs", 1, "-coder", 0, tmp_path / "cavlc.mp4")
    assert house_key(probe(tmp_path / "cavlc.mp4")) == house_key(probe(clips()))
    ff("-i", clips(), "-c", "copy", "-video_track_timescale", 12_288, tmp_path / "ticks.mp4")
    assert house_key(probe(tmp_path / "ticks.mp4")) != house_key(probe(clips()))


# Joining


async def test_clips_that_agree_are_copied_frame_for_frame(three: Sequence[Path], tmp_path: Path) -> None:
    joined = await join(three, tmp_path / "video.mp4")
    assert joined.conformed == ()
    assert (joined.info.frames, joined.info.seconds) == (144, 6)
    assert house_key(joined.info) == house_key(probe(three[0]))
    assert pixels(tmp_path / "video.mp4") == [frame for clip in three for frame in pixels(clip)]
    assert_even(tmp_path / "video.mp4", 144)
    assert names(tmp_path) == ["video.mp4"]


async def test_other_parameter_sets_are_copied_too(three: list[Path], ff: Ff, tmp_path: Path) -> None:
    other = tmp_path / "cavlc.mp4"
    ff("-i", three[1], *OURS, "-refs", 1, "-coder", 0, other)
    joined = await join([three[0], other, three[2]], tmp_path / "video.mp4")
    assert joined.conformed == ()
    assert pixels(tmp_path / "video.mp4") == [*pixels(three[0]), *pixels(other), *pixels(three[2])]


async def test_the_title_is_in_the_metadata_and_nothing_of_the_clips_is(
    three: list[Path], ff: Ff, tmp_path: Path
) -> None:
    named = tmp_path / "named.mp4"
    ff("-i", three[0], "-c", "copy", "-metadata", "title=a prompt", "-metadata", "comment=secret", named)
    for title in ('Der Hafen: "Nacht" = 50% ; 影 🎬', "-x", "it's", ""):
        await join([named, *three[1:]], tmp_path / "video.mp4", title=title)
        with av.open(str(tmp_path / "video.mp4")) as video:
            told = {name: text for name, text in video.metadata.items() if name in ("title", "comment")}
        assert told == ({"title": title} if title else {})


async def test_one_clip_is_a_video_too(clips: Clips, tmp_path: Path) -> None:
    joined = await join([clips()], tmp_path / "video.mp4")
    assert (joined.info.frames, joined.conformed) == (48, ())
    data = (tmp_path / "video.mp4").read_bytes()
    assert data.find(b"moov") < data.find(b"mdat")


ODD_ONES: dict[str, tuple[object, ...]] = {
    "time base": ("-c", "copy", "-video_track_timescale", 12_288),
    "size": ("-vf", "scale=640:360", *OURS),
    "shape": ("-vf", "scale=180:320,setsar=1", *OURS),
    "pixel format": ("-c:v", "libx264", "-pix_fmt", "yuv444p", "-video_track_timescale", 90_000),
    "pixel shape": ("-vf", "setsar=4/3", *OURS),
    "frame rate": ("-vf", "fps=30", *OURS),
    "variable rate": ("-vf", "select='not(eq(mod(n,5),2))'", "-fps_mode", "vfr", *OURS),
    "codec": ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error"),
    "profile": (*OURS, "-profile:v", "main"),
    "colour tags": ("-vf", "setparams=colorspace=smpte170m", *X264, "-video_track_timescale", 90_000),
    "range": ("-vf", "scale=out_range=full", *X264, "-video_track_timescale", 90_000),
    "cut without re-encoding": ("-c", "copy"),
}


@pytest.mark.parametrize("what", ODD_ONES)
async def test_a_clip_with_another(what: str, clips: Clips, ff: Ff, tmp_path: Path) -> None:
    """... is re-encoded, it alone, wherever it stands; nothing is lost, doubled or torn."""
    first, second, last = (
        clips(move, seconds=1) for move in (CameraMove.PAN_LEFT, CameraMove.ZOOM_IN, CameraMove.ORBIT)
    )
    start, frames = (("-ss", 0.5), 12) if "cut" in what else ((), 24)
    odd = tmp_path / "odd.mp4"
    ff(*start, "-i", second, *ODD_ONES[what], odd)
    for place, order in enumerate(([odd, first, last], [first, odd, last])):
        joined = await join(order, tmp_path / "video.mp4")
        assert joined.conformed == (place,)
        assert house_key(joined.info) == house_key(probe(first))
        assert joined.info.frames == 48 + frames
        assert_even(tmp_path / "video.mp4", 48 + frames)
        assert pixels(tmp_path / "video.mp4")[-24:] == pixels(last)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("sound", ["sine=d=2", "sine=d=2.3", "sine=d=1.5"])
async def test_sound_is_dropped_and_never_tears_the_picture(
    place: int, sound: str, three: list[Path], ff: Ff, tmp_path: Path
) -> None:
    loud = tmp_path / "loud.mp4"
    ff(*("-i", three[place], "-f", "lavfi", "-i", sound), "-map", 0, "-map", 1, "-c:v", "copy", "-c:a", "aac", loud)
    clips = [loud if number == place else clip for number, clip in enumerate(three)]
    joined = await join(clips, tmp_path / "video.mp4")
    assert joined.conformed in ((), (place,))
    assert (joined.info.has_audio, joined.info.frames, joined.info.seconds) == (False, 144, 6)
    assert_even(tmp_path / "video.mp4", 144)


async def test_a_clip_that_starts_late_fits_in(three: list[Path], ff: Ff, tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    ff("-itsoffset", 0.5, "-i", three[1], "-c", "copy", late)
    joined = await join([three[0], late, three[2]], tmp_path / "video.mp4")
    assert joined.info.frames == 144
    assert_even(tmp_path / "video.mp4", 144)


async def test_names_that_shells_and_ffmpeg_stumble_over_are_fine(clips: Clips, tmp_path: Path) -> None:
    names = ["it's 100% [good]; \\ : # ü.mp4", "-rf.mp4", "space at the end .mp4", "%03d.mp4"]
    for name in names:
        os.link(clips(), tmp_path / name)
    joined = await join([tmp_path / name for name in names], tmp_path / "video's %d.mp4")
    assert joined.info.frames == 48 * 4


async def test_a_clip_behind_a_relative_link_is_found(clips: Clips, tmp_path: Path) -> None:
    os.link(clips(), tmp_path / "real.mp4")
    (tmp_path / "link.mp4").symlink_to("real.mp4")
    assert (await join([tmp_path / "link.mp4"], tmp_path / "video.mp4")).info.frames == 48


async def test_a_hundred_short_clips_do_not_drift(clips: Clips, tmp_path: Path) -> None:
    # 121 frames at 24 a second is no whole number of microseconds, which is what ffmpeg counts in.
    clip = clips(CameraMove.STATIC, seconds=13 / 24, width=64, height=36)
    joined = await join([clip] * 100, tmp_path / "video.mp4")
    assert joined.info.frames == 1_300
    assert_even(tmp_path / "video.mp4", 1_300)


async def test_progress_covers_re_encoding_and_copying(three: list[Path], ff: Ff, tmp_path: Path) -> None:
    odd, heard = tmp_path / "odd.mp4", list[int]()
    ff("-i", three[1], "-vf", "scale=640:360", *OURS, odd)
    await join([three[0], odd, three[2]], tmp_path / "video.mp4", on_frame=heard.append)
    assert heard == sorted(heard)
    assert 48 in heard
    assert heard[-1] == 48 + 144


async def test_a_video_that_does_not_add_up_is_not_a_video(three: list[Path], tmp_path: Path) -> None:
    data = three[1].read_bytes()
    (tmp_path / "cut.mp4").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(BadClip, match=r"clip 2: cut\.mp4: cut off: \d+ of \d+ frames are there"):
        await join([three[0], tmp_path / "cut.mp4", three[2]], tmp_path / "video.mp4")
    assert names(tmp_path) == ["cut.mp4"]


async def test_what_is_no_video_is_refused_before_anything_is_done(three: list[Path], tmp_path: Path) -> None:
    (tmp_path / "page.mp4").write_text("<html>")
    with pytest.raises(BadClip, match=r"page\.mp4: it is a web page"):
        await join([*three, tmp_path / "page.mp4"], tmp_path / "video.mp4")


@pytest.mark.parametrize("count", [0, 501])
async def test_videos_have_one_to_five_hundred_clips(count: int, clips: Clips, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=f"not {count}"):
        await join([clips()] * count, tmp_path / "video.mp4")


async def test_cancelling_leaves_no_process_and_no_file(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    odd = tmp_path / "odd.mp4"
    again_and_again = ("-stream_loop", 200, "-i", clips(), "-c", "copy", "-video_track_timescale", 12_288)
    ff(*again_and_again, odd)  # minutes, which take seconds to re-encode
    target = tmp_path / "video.mp4"
    joining = asyncio.create_task(join([clips(), clips(), odd], target))
    await until(lambda: bool(processes_naming(str(tmp_path))))
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert processes_naming(str(tmp_path)) == []
    assert names(tmp_path) == ["odd.mp4"]


# One clip, and the benchmark's counterpart


async def test_conforming_keeps_colours_and_shows_another_shape_whole(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    red = tmp_path / "red.mp4"
    source = "color=0xC02040:s=180x320:r=25:d=1"
    ff("-f", "lavfi", "-i", source, "-vf", "scale=out_color_matrix=bt709", *OURS, red)
    await conform(red, tmp_path / "conformed.mp4", probe(clips()))
    assert house_key(probe(tmp_path / "conformed.mp4")) == house_key(probe(clips()))
    picture = np.asarray(frame_at(tmp_path / "conformed.mp4", 0.5), int)
    assert np.abs(picture[90, 160] - np.asarray(frame_at(red, 0.5), int)[160, 90]).max() <= 1
    assert picture[:, :100].max() <= 3  # the bars


async def test_colours_of_the_older_standard_are_converted_not_just_relabelled(
    clips: Clips, ff: Ff, tmp_path: Path
) -> None:
    old = tmp_path / "old.mp4"
    tags = "scale=out_color_matrix=bt601,setparams=colorspace=smpte170m:color_primaries=smpte170m"
    ff("-f", "lavfi", "-i", "color=0x20C040:s=320x180:r=24:d=1", "-vf", tags, *X264, old)
    assert probe(old).colour.matrix == 6
    await conform(old, tmp_path / "new.mp4", probe(clips()))
    for path in (old, tmp_path / "new.mp4"):
        assert np.abs(np.asarray(frame_at(path, 0.5), int)[90, 160] - (0x20, 0xC0, 0x40)).max() <= 3


async def test_an_untagged_clip_is_taken_for_bt709_as_everywhere_here(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    plain = tmp_path / "plain.mp4"
    untag = "setparams=range=unspecified:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    source = "color=0x20C040:s=640x360:r=24:d=1"
    ff("-f", "lavfi", "-i", source, "-vf", f"scale=out_color_matrix=bt709,{untag}", *X264, plain)
    assert probe(plain).colour.matrix == 2
    await conform(plain, tmp_path / "new.mp4", probe(clips()))
    before, after = (np.asarray(frame_at(path, 0.5), int)[90, 160] for path in (plain, tmp_path / "new.mp4"))
    assert np.abs(before - after).max() <= 1


async def test_an_untagged_house_keeps_its_clips_untagged(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    plain = tmp_path / "plain.mp4"
    untag = "setparams=range=unspecified:colorspace=unknown:color_primaries=unknown:color_trc=unknown"
    ff("-i", clips(), "-vf", untag, *X264, "-video_track_timescale", 24_000, plain)
    house = probe(plain)
    assert house.colour == ColourTags(0, 2, 2, 2)
    joined = await join([plain, plain, clips()], tmp_path / "video.mp4")
    assert joined.conformed == (2,)
    assert joined.info.colour == house.colour
    assert joined.info.time_base == Fraction(1, 24_000)


async def test_the_full_re_encode_gives_the_same_video_which_the_join_only_copies(
    three: list[Path], tmp_path: Path
) -> None:
    """How much faster copying is: `benchmarks join`."""
    await encode_all(three, tmp_path / "encoded.mp4")
    await join(three, tmp_path / "video.mp4")
    assert probe(tmp_path / "encoded.mp4").frames == 144
    assert pixels(tmp_path / "video.mp4") == [pixel for clip in three for pixel in pixels(clip)]
    assert names(tmp_path) == ["encoded.mp4", "video.mp4"]


async def test_what_ffmpeg_joins_without_us_is_broken(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    # Why the time base is part of the key: exit status 0, right length, and a hole in the middle.
    ff("-i", clips(), "-c", "copy", "-video_track_timescale", 12_288, tmp_path / "b.mp4")
    os.link(clips(), tmp_path / "a.mp4")
    (tmp_path / "l.ffconcat").write_text(list_text([("a.mp4", 2), ("b.mp4", 2), ("a.mp4", 2)]))
    await _ffmpeg.run(copy_arguments(tmp_path / "l.ffconcat", tmp_path / "video.mp4", 90_000, listed=True))
    assert probe(tmp_path / "video.mp4").longest_frame > 0.5


async def test_ffmpegs_word_for_clips_that_overlap_is_the_one_we_look_for(three: list[Path], tmp_path: Path) -> None:
    for name, clip in zip(("a.mp4", "b.mp4"), three, strict=False):
        os.link(clip, tmp_path / name)
    (tmp_path / "l.ffconcat").write_text(list_text([("a.mp4", 1), ("b.mp4", 2)]))  # the first has two seconds
    said = await _ffmpeg.run(copy_arguments(tmp_path / "l.ffconcat", tmp_path / "f.mp4", 90_000, listed=True))
    clips = [probe(clip) for clip in three[:2]]
    with pytest.raises(FfmpegFailed, match="non-monotonic"):
        check_video(replace(clips[0], frames=96, seconds=4), clips, said)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"frames": 95}, "95 frames, its clips have 96"),
        ({"seconds": 4.2}, r"4\.200 s long, its clips are 4\.000 s"),
        ({"longest_frame": 0.34}, r"a gap of 0\.340 s"),
    ],
)
def test_a_video_is_counted_after_the_join(clips: Clips, change: dict[str, float], says: str) -> None:
    clip = probe(clips())
    video = replace(clip, frames=96, seconds=4.0)
    check_video(video, [clip, clip], "")
    with pytest.raises(FfmpegFailed, match=says):
        check_video(replace(video, **change), [clip, clip], "")  # type: ignore[arg-type]  # one field at a time
