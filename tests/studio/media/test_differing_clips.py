"""Clips as people bring them, joined with ours: the right frames, upright, one size, one set of colours, no gap."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from studio.errors import BadClip
from studio.media.concat import Joined, join
from studio.media.frames import frame_at
from studio.media.probe import probe
from studio.media.recipe import BT709_LIMITED
from studio.media.sheet import contact_sheet
from studio.media.trim import trim_clip
from studio.media.verify import Ordered, examine_clip, verify_clip
from tests.studio.media.conftest import Ff

SAMPLES = Path(__file__).parent / "samples" / "clips"
BASE = SAMPLES / "01_base.mp4"
"""24 frames at 24 per second, 320x180, H.264 High without B-frames, BT.709."""
AT_ONCE = 2
IN_A_VIDEO = 8

COPIED = "copied"
CONFORMED = "conformed"
EXPECTED: dict[str, tuple[str, int]] = {
    "02_base_again.mp4": (COPIED, 24),
    "03_timescale_12800.mp4": (CONFORMED, 24),
    "05_rotate90_tag.mp4": (CONFORMED, 24),
    "07_sar_4_3_shows_320x180.mp4": (CONFORMED, 24),
    "08_audio_longer.mp4": (COPIED, 24),
    "09_audio_44k_mono.mp4": (COPIED, 24),
    "10_audio_is_first_stream.mp4": (COPIED, 24),
    "12_editlist_hidden_frames_bframes.mp4": (CONFORMED, 27),  # 26 shown frames, one of them for two
    "13_start_time_0_5.mp4": (COPIED, 24),
    "14_negative_start_bframes.mp4": (CONFORMED, 21),
    "16_23976.mp4": (CONFORMED, 24),
    "17_16fps_wan.mp4": (CONFORMED, 24),
    "18_10bit.mp4": (CONFORMED, 24),
    "19_yuv444.mp4": (CONFORMED, 24),
    "21_hdr_pq_bt2020.mp4": (CONFORMED, 24),
    "22_full_range.mp4": (CONFORMED, 24),
    "23_bt601_tags.mp4": (CONFORMED, 24),
    "25_hevc.mp4": (CONFORMED, 24),
    "26_interlaced_tff.mp4": (CONFORMED, 24),
    "27_fragmented.mp4": (COPIED, 24),
    "29_larger_640x360.mp4": (CONFORMED, 24),
    "30_one_frame.mp4": (CONFORMED, 1),
    "31_cover_art.mp4": (COPIED, 24),
    "33_h264_in.mkv": (CONFORMED, 24),
    "34_baseline_profile.mp4": (CONFORMED, 24),
    "35_large_comment.mp4": (COPIED, 24),
    "44_black.mp4": (CONFORMED, 24),
}
REFUSED: dict[str, str] = {
    "38_truncated_no_moov.mp4": "cut off: the index",
    "39_truncated_faststart.mp4": "cut off: 13 of 24 frames",
    "41_html.mp4": "web page",
    "42_json.mp4": "JSON",
    "43_audio_only.mp4": "only sound",
}
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-profile:v", "high")
TAGS = ("-color_range", "tv", "-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
TICKS = ("-video_track_timescale", 90_000)


@dataclass(frozen=True)
class Made:
    """A clip made for this test, of one second unless the table says otherwise."""

    arguments: tuple[object, ...]
    frames: int = 24
    source: str = "testsrc2=s=320x180:r=24:d=1"
    suffix: str = "mp4"


MADE: dict[str, Made] = {
    "one B-frame": Made((*H264, *TAGS, *TICKS, "-bf", 1)),
    "three B-frames, pyramid": Made((*H264, *TAGS, *TICKS, "-bf", 3, "-x264-params", "b-pyramid=normal")),
    "two B-frames, no pyramid": Made((*H264, *TAGS, *TICKS, "-bf", 2, "-x264-params", "b-pyramid=none")),
    "eight B-frames, open GOP": Made((*H264, *TAGS, *TICKS, "-bf", 8, "-x264-params", "open-gop=1:keyint=12")),
    "timescale 24": Made((*H264, *TAGS, "-video_track_timescale", 24)),
    "29.97": Made((*H264, *TAGS, *TICKS), source="testsrc2=s=320x180:r=30000/1001:d=1.001"),
    "60 frames a second": Made((*H264, *TAGS, *TICKS), source="testsrc2=s=320x180:r=60:d=1"),
    "odd size": Made((*H264[:4], "-pix_fmt", "yuv444p", *TAGS), source="testsrc2=s=321x181:r=24:d=1"),
    "no colour tags": Made((*H264, *TICKS)),
    "portrait": Made((*H264, *TAGS, *TICKS), source="testsrc2=s=180x320:r=24:d=1"),
    "timecode track": Made((*H264, *TAGS, *TICKS, "-timecode", "01:00:00:00")),
    "bottom field first": Made((*H264, *TAGS, *TICKS, "-flags", "+ildct+ilme", "-x264-params", "bff=1")),
    "HLG in 10 bits": Made(
        (
            *("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-pix_fmt", "yuv420p10le"),
            *("-color_primaries", "bt2020", "-color_trc", "arib-std-b67", "-colorspace", "bt2020nc"),
        )
    ),
    "BT.2020 without HDR": Made(
        (*H264, "-color_primaries", "bt2020", "-color_trc", "bt709", "-colorspace", "bt2020nc")
    ),
    "4:2:2": Made((*H264[:4], "-pix_fmt", "yuv422p", *TAGS)),
    "VP9 in WebM": Made(("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8), suffix="webm"),
    "AV1 in MP4": Made(("-c:v", "libsvtav1", "-preset", 12, "-svtav1-params", "logo=0"), suffix="mp4"),
    "one key frame in all": Made((*H264, *TAGS, *TICKS, "-g", 9_999)),
    "chapters and titles": Made((*H264, *TAGS, *TICKS, "-metadata", "title=Title", "-metadata", "comment=prompt")),
}


@pytest.fixture(scope="module")
def made(ff: Ff, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("made")
    paths = {}
    for number, (name, how) in enumerate(MADE.items()):
        paths[name] = folder / f"made_{number:02d}.{how.suffix}"
        ff("-f", "lavfi", "-i", how.source, *how.arguments, paths[name])
    for name, turned in (("rotated by 180", "180"), ("rotated by 270", "270"), ("mirrored", "hflip")):
        paths[name] = folder / f"{name.replace(' ', '_')}.mp4"
        option = ("-display_hflip",) if turned == "hflip" else ("-display_rotation", turned)
        ff(*option, "-i", BASE, "-c", "copy", paths[name])
    paths["sound first, cover and data"] = folder / "many_streams.mp4"
    picture = folder / "cover.png"
    ff("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", 1, picture)
    ff(
        *("-f", "lavfi", "-i", "sine=d=1.4", "-i", BASE, "-i", picture),
        *("-map", 0, "-map", 1, "-map", 2, "-c:v", "copy", "-c:a", "aac", "-disposition:v:1", "attached_pic"),
        *("-timecode", "01:00:00:00", paths["sound first, cover and data"]),
    )
    return paths


def _times(path: Path) -> list[float]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        ticks = sorted(packet.pts for packet in container.demux(stream) if packet.pts is not None)
        return [float(tick * (stream.time_base or 0)) for tick in ticks]


def _kinds(path: Path) -> list[str]:
    with av.open(str(path)) as container:
        return [stream.type for stream in container.streams]


def _faults(video: Path, joined: Joined, frames: int, size: tuple[int, int]) -> list[str]:
    """What is wrong with a joined video at 24 frames a second."""
    info = joined.info
    found = {
        f"{info.frames} frames": info.frames == frames,
        f"size {info.width}x{info.height}": (info.width, info.height) == size,
        f"pixels {info.sample_aspect_ratio}": info.sample_aspect_ratio == 1,
        f"format {info.codec} {info.pix_fmt}": (info.codec, info.pix_fmt) == ("h264", "yuv420p"),
        f"colours {info.colour}": info.colour == BT709_LIMITED,
        "turned or interlaced": not (info.turned or info.interlaced),
        f"streams {_kinds(video)}": _kinds(video) == ["video"],
        "a gap or an overlap": bool(np.allclose(_times(video), np.arange(frames) / 24, atol=2e-4)),
    }
    return [what for what, right in found.items() if not right]


async def test_whatever_comes_between_two_of_our_clips_is_joined_without_gap_turn_or_jump(
    made: dict[str, Path], tmp_path: Path
) -> None:
    cases: dict[str, tuple[Path, int, str | None]] = {
        name: (SAMPLES / name, frames, how) for name, (how, frames) in EXPECTED.items()
    }
    cases |= {name: (path, MADE[name].frames if name in MADE else 24, None) for name, path in made.items()}
    wrong: list[object] = []
    turns = asyncio.Semaphore(AT_ONCE)

    async def check(names: list[str]) -> None:
        """A video of so many: ours, the first, ours, the second, … ours."""
        places = {name: 2 * number + 1 for number, name in enumerate(names)}
        clips = [BASE]
        for name in names:
            clips += [cases[name][0], BASE]
        video = tmp_path / f"{cases[names[0]][0].stem}.video.mp4"
        async with turns:
            joined = await join(clips, video)
        frames = 24 * (len(names) + 1) + sum(cases[name][1] for name in names)
        faults = _faults(video, joined, frames, (320, 180))
        for name, place in places.items():
            how = cases[name][2]
            if how is not None and (place in joined.conformed) is (how == COPIED):
                faults.append(f"conformed {joined.conformed}, not as expected {name}")
            if (place in joined.silenced) is not probe(cases[name][0]).has_audio:
                faults.append(f"silenced {joined.silenced}, not as expected {name}")
        if not {*joined.conformed, *joined.silenced} <= set(places.values()):
            faults.append(f"our own clips were changed: {joined.conformed}, {joined.silenced}")
        if faults:
            wrong.append((names, faults))

    names = list(cases)
    videos = [names[first : first + IN_A_VIDEO] for first in range(0, len(names), IN_A_VIDEO)]
    await asyncio.gather(*(check(some) for some in videos))
    assert wrong == []


async def test_three_of_a_kind_become_an_upright_8_bit_video_of_even_size(
    made: dict[str, Path], tmp_path: Path
) -> None:
    kinds = {
        "18_10bit.mp4": SAMPLES / "18_10bit.mp4",
        "05_rotate90_tag.mp4": SAMPLES / "05_rotate90_tag.mp4",
        "21_hdr_pq_bt2020.mp4": SAMPLES / "21_hdr_pq_bt2020.mp4",
        "26_interlaced_tff.mp4": SAMPLES / "26_interlaced_tff.mp4",
        "16_23976.mp4": SAMPLES / "16_23976.mp4",
        **{name: made[name] for name in ("odd size", "mirrored", "29.97", "one B-frame", "eight B-frames, open GOP")},
    }
    wrong = {}
    for place, (name, clip) in enumerate(kinds.items()):
        info = (await join([clip] * 3, tmp_path / f"{place}.mp4")).info
        source = probe(clip)
        expected = (
            source.shown_width // 2 * 2,
            source.shown_height // 2 * 2,
            source.frames * 3,
            "yuv420p",
            False,
            False,
        )
        found = (info.width, info.height, info.frames, info.pix_fmt, info.turned, info.interlaced)
        if found != expected or abs(info.fps - source.fps) > 0.01 or abs(info.seconds - 3 * source.seconds) > 1 / 24:
            wrong[name] = (found, info.fps, info.seconds)
    assert wrong == {}


async def test_a_turned_clip_decides_neither_the_shape_of_the_video_nor_how_the_others_are_turned(
    tmp_path: Path,
) -> None:
    turned, video = SAMPLES / "05_rotate90_tag.mp4", tmp_path / "video.mp4"
    joined = await join([turned, BASE], video)
    assert (joined.info.width, joined.info.height, joined.conformed) == (320, 180, (0,))
    # The picture of the turned clip is upright between black bars; the other one fills the frame.
    first, last = (np.asarray(frame_at(video, at).convert("L"), np.float32) for at in (0.0, 1.0))
    assert first[:, :80].mean() < 5 < last[:, :80].mean()
    upright = np.asarray(frame_at(SAMPLES / "01_base.mp4", 0).rotate(90, expand=True).convert("L"), np.float32)
    scaled = first[:, 109:211]
    rows = np.linspace(0, upright.shape[0] - 1, scaled.shape[0]).astype(int)
    columns = np.linspace(0, upright.shape[1] - 1, scaled.shape[1]).astype(int)
    likeness = np.corrcoef(scaled.ravel(), upright[np.ix_(rows, columns)].ravel())[0, 1]
    mirrored = np.corrcoef(scaled[::-1].ravel(), upright[np.ix_(rows, columns)].ravel())[0, 1]
    assert abs(likeness) > 0.8 or abs(mirrored) > 0.8


async def test_grey_stays_grey_in_every_range_and_matrix(ff: Ff, tmp_path: Path) -> None:
    """Limited and full range, BT.601 and no tags at all: a grey patch keeps its level, to two of 255."""
    ways = {
        "full range": ("-vf", "scale=out_range=full", "-color_range", "pc", *TAGS[2:]),
        "BT.601": ("-vf", "scale=out_color_matrix=bt601", *TAGS[:2], "-colorspace", "smpte170m"),
        "no tags": ("-vf", "scale=out_color_matrix=bt709"),
    }
    wrong = {}
    for name, how in ways.items():
        clip, video = tmp_path / f"{name}.mp4", tmp_path / f"{name}.video.mp4"
        ff("-f", "lavfi", "-i", "color=0x808080:s=320x180:r=24:d=0.5", *how, *H264, *TICKS, clip)
        await join([BASE, clip, BASE], video)
        level = float(np.asarray(frame_at(video, 0.5).convert("RGB"), np.float32)[60:120, 100:200].mean())
        if abs(level - 128) > 2:
            wrong[name] = level
    assert wrong == {}


async def test_high_dynamic_range_is_mapped_and_said(tmp_path: Path) -> None:
    joined = await join([BASE, SAMPLES / "21_hdr_pq_bt2020.mp4"], tmp_path / "video.mp4")
    assert joined.tone_mapped == (1,)


async def test_a_clip_that_cannot_be_joined_is_named_with_its_number_and_its_fault(tmp_path: Path) -> None:
    (tmp_path / "40_empty.mp4").touch()
    wrong = {}
    for name, fault in {**REFUSED, "40_empty.mp4": "empty"}.items():
        clip = tmp_path / name if name.startswith("40") else SAMPLES / name
        with pytest.raises(BadClip) as refused:
            await join([BASE, clip, BASE], tmp_path / "video.mp4")
        if not str(refused.value).startswith(f"clip 2: {name}") or fault not in str(refused.value):
            wrong[name] = str(refused.value)
    assert wrong == {}
    assert not (tmp_path / "video.mp4").exists()


async def test_every_name_a_file_can_have_is_read(tmp_path: Path) -> None:
    names = [
        "-dash.mp4",
        "clip%03d.mp4",
        "it's 50% - \u2116 1.mp4",
        "two\nlines.mp4",
        "caf\u00e9.mp4",
        "cafe\u0301.mp4",
        f"{'n' * 240}.mp4",
        "file:proto.mp4",
        "back\\slash.mp4",
        "concat:a|b.mp4",
        " space .mp4",
        "#1 [x] {y} *?.mp4",
        "🎬.mp4",
    ]
    clips = [shutil.copyfile(BASE, tmp_path / name) for name in names]
    joined = await join(clips, tmp_path / "video.mp4")
    assert joined.info.frames == 24 * len(names)
    for clip in clips:
        assert (await trim_clip(clip, tmp_path / "trimmed.mp4", 12)).frames == 12
        assert verify_clip(clip, Ordered(seconds=1, width=320, height=180, moving=False)).frames == 24
    contact_sheet(clips, tmp_path / "sheet.png")


async def test_trimming_gives_an_upright_even_progressive_clip_of_the_wanted_frames(
    made: dict[str, Path], tmp_path: Path
) -> None:
    clips = {name: SAMPLES / name for name in EXPECTED if not name.startswith("30")} | made
    wrong = {}
    for name, clip in clips.items():
        info = await trim_clip(clip, tmp_path / "trimmed.mp4", 10)
        if info.frames != 10 or info.turned or info.interlaced or info.width % 2 or info.height % 2 or info.hdr:
            wrong[name] = info
    assert wrong == {}


def test_what_a_join_would_change_is_a_deviation_of_a_clip_that_was_paid_for() -> None:
    found = {
        name: [fault.kind for fault in examine_clip(SAMPLES / name, Ordered(1, *size, moving=False)).deviations]
        for name, size in {
            "01_base.mp4": (320, 180),
            "05_rotate90_tag.mp4": (180, 320),
            "26_interlaced_tff.mp4": (320, 180),
            "21_hdr_pq_bt2020.mp4": (320, 180),
        }.items()
    }
    assert found == {
        "01_base.mp4": [],
        "05_rotate90_tag.mp4": ["turned"],
        "26_interlaced_tff.mp4": ["interlaced"],
        "21_hdr_pq_bt2020.mp4": ["codec hevc", "hdr"]
        if probe(SAMPLES / "21_hdr_pq_bt2020.mp4").codec == "hevc"
        else ["hdr"],
    }
