"""Bad clips of every kind we have seen, and good ones that must not be mistaken for them."""

import random
import re
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from studio.contracts.clip import CameraMove
from studio.errors import BadClip, ClipUnreadable
from studio.media import _reading, verify
from studio.media.concat import join
from studio.media.probe import MediaInfo, probe
from studio.media.recipe import BT709_LIMITED
from studio.media.stills import draw_still
from studio.media.verify import Ordered, examine_clip, verify_clip
from tests.studio.media.conftest import Clips, Ff

ORDER = Ordered(seconds=5, width=320, height=180, moving=True)
H264 = ("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p")
STANDING = "scale=320:180,loop=119:1,setpts=N/24/TB,fps=24"
"""Five seconds of one picture."""


def refusal(path: Path, ordered: Ordered = ORDER) -> str:
    with pytest.raises(BadClip) as caught:
        verify_clip(path, ordered)
    return str(caught.value)


# What is in the file at all


def test_a_good_clip_is_described(good: Path) -> None:
    info = verify_clip(good, ORDER)
    assert info.longest_frame == pytest.approx(1 / 24)
    assert info == MediaInfo(
        container="mov,mp4,m4a,3gp,3g2,mj2",
        codec="h264",
        profile="High",
        width=320,
        height=180,
        pix_fmt="yuv420p",
        sample_aspect_ratio=Fraction(1),
        fps=Fraction(24),
        time_base=Fraction(1, 90_000),
        frames=120,
        seconds=5.0,
        colour=BT709_LIMITED,
        has_audio=False,
        hidden=0,
        longest_frame=info.longest_frame,
        reorder=2,
    )


def test_a_file_that_is_not_there_is_bad(tmp_path: Path) -> None:
    assert "cannot be opened (No such file or directory)" in refusal(tmp_path / "clip.mp4")


def test_an_empty_file_is_bad(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").touch()
    assert refusal(tmp_path / "clip.mp4") == "clip.mp4: the file is empty"


@pytest.mark.parametrize("page", ["<html>502 Bad Gateway</html>", "\n <!DOCTYPE html><title>Expired</title>"])
def test_a_web_page_is_bad(tmp_path: Path, page: str) -> None:
    (tmp_path / "clip.mp4").write_text(page * 50)
    assert "web page" in refusal(tmp_path / "clip.mp4")


def test_a_json_answer_is_bad(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text('{"code": 422, "msg": "expired"}')
    assert "JSON" in refusal(tmp_path / "clip.mp4")


@pytest.mark.parametrize("text", ["just words " * 100, "#EXTM3U\n/etc/passwd\n", "ffconcat version 1.0\nfile x\n"])
def test_other_text_is_bad_and_nothing_it_names_is_opened(tmp_path: Path, text: str) -> None:
    (tmp_path / "clip.mp4").write_text(text)
    assert "not a video file" in refusal(tmp_path / "clip.mp4")


def test_a_picture_is_not_a_video(tmp_path: Path, still: Path) -> None:
    shutil.copy(still, tmp_path / "clip.mp4")
    assert "not a video file" in refusal(tmp_path / "clip.mp4")


def test_a_file_without_its_index_is_bad(good: Path, ff: Ff, tmp_path: Path) -> None:
    ff("-i", good, "-c", "copy", tmp_path / "index_last.mp4")
    data = (tmp_path / "index_last.mp4").read_bytes()
    (tmp_path / "clip.mp4").write_bytes(data[: len(data) // 2])
    assert "cut off: the index of the MP4 (moov)" in refusal(tmp_path / "clip.mp4")


def test_sound_without_a_picture_is_bad(ff: Ff, tmp_path: Path) -> None:
    ff("-f", "lavfi", "-i", "sine=d=5", "-c:a", "aac", tmp_path / "clip.mp4")
    assert "no video in it, only sound" in refusal(tmp_path / "clip.mp4")


# What the container says


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [
        (1920, 1080, True),
        (1920, 1088, True),
        (1916, 1076, True),
        (1760, 990, True),
        (2112, 1188, True),
        (1728, 972, True),
        (1700, 956, False),
        (1280, 720, False),
        (640, 360, False),
        (1080, 1920, False),
        (1920, 1000, False),
        (1440, 1080, False),
    ],
)
def test_sizes_may_be_rounded_but_not_be_another_class_or_shape(width: int, height: int, fits: bool) -> None:
    info = MediaInfo(
        *("mov", "h264", "High", width, height, "yuv420p", Fraction(1), Fraction(24), Fraction(1, 90_000)),
        *(120, 5.0, BT709_LIMITED, False, 0, 1 / 24),
    )
    faults = [fault.text for fault in verify._deviations(info, Ordered(5, 1920, 1080, True))]
    assert faults == ([] if fits else [f"{width}x{height} instead of 1920x1080"])


def test_another_size_is_named(good: Path) -> None:
    order = Ordered(seconds=5, width=1920, height=1080, moving=True)
    assert refusal(good, order).endswith(": 320x180 instead of 1920x1080")


def test_another_codec_is_named(good: Path, ff: Ff, tmp_path: Path) -> None:
    x265 = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
    ff("-i", good, *x265, tmp_path / "clip.mp4")
    assert "encoded as hevc instead of H.264" in refusal(tmp_path / "clip.mp4")


def test_everything_that_is_wrong_is_said_at_once(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    ff("-i", clips(), "-vf", "scale=160:90", "-c:v", "mpeg4", tmp_path / "clip.mp4")
    assert refusal(tmp_path / "clip.mp4") == (
        "clip.mp4: encoded as mpeg4 instead of H.264; 160x90 instead of 320x180; 2.00 s long instead of 5 s"
    )


def test_a_clip_of_another_length_is_bad(clips: Clips) -> None:
    assert "2.00 s long instead of 5 s" in refusal(clips())


def test_one_frame_more_than_ordered_is_fine_as_kling_does_it(clips: Clips) -> None:
    path = clips(CameraMove.PAN_RIGHT, seconds=121 / 24)
    assert verify_clip(path, ORDER).frames == 121


def test_frames_that_an_edit_list_hides_are_not_missed(good: Path, ff: Ff, tmp_path: Path) -> None:
    ff("-ss", 0.5, "-i", good, "-c", "copy", tmp_path / "clip.mp4")
    info = verify_clip(tmp_path / "clip.mp4", Ordered(seconds=4.5, width=320, height=180, moving=True))
    assert (info.frames, info.hidden) == (108, 12)


async def test_a_stream_copy_that_lacks_its_last_b_frames_is_good_as_a_delivery_and_in_a_join(
    good: Path, ff: Ff, tmp_path: Path
) -> None:
    for begins, lasts, missing in ((1.02, 0.98, 3), (1.0, 1.0, 2), (2.1, 1.02, 3), (0, 0.96, 2)):
        clip = tmp_path / "clip.mp4"
        ff("-ss", begins, "-i", good, "-t", lasts, "-c", "copy", clip)
        info = probe(clip)
        assert (info.promised - info.frames, info.hidden > 0) == (missing, begins > 0), (begins, lasts)
        ordered = Ordered(seconds=info.seconds, width=320, height=180, moving=True)
        assert examine_clip(clip, ordered).info == verify_clip(clip, ordered) == info
    joined = await join([good, clip], tmp_path / "video.mp4")
    assert abs(joined.info.frames - 120 - info.promised) <= 3


async def test_a_file_with_hidden_frames_that_is_cut_off_is_bad_as_a_delivery_and_in_a_join(
    good: Path, ff: Ff, tmp_path: Path
) -> None:
    whole, short = tmp_path / "whole.mp4", tmp_path / "short.mp4"
    ff("-ss", 1.02, "-i", good, "-t", 0.98, "-c", "copy", "-movflags", "+faststart", whole)
    data = whole.read_bytes()
    short.write_bytes(data[: len(data) * 9 // 10])
    info = probe(short)
    assert info.hidden >= info.promised - info.frames > 3
    assert "cut off: " in refusal(short, Ordered(seconds=info.seconds, width=320, height=180, moving=True))
    with pytest.raises(ClipUnreadable, match=r"clip 2: short\.mp4: cut off: "):
        await join([good, short], tmp_path / "video.mp4")


def test_a_file_cut_off_after_its_index_is_bad_although_its_header_says_otherwise(good: Path, tmp_path: Path) -> None:
    data = good.read_bytes()
    (tmp_path / "clip.mp4").write_bytes(data[: len(data) // 2])
    assert probe(tmp_path / "clip.mp4").seconds == 5
    said = refusal(tmp_path / "clip.mp4")
    assert "cut off: " in said
    assert "of 120 frames are there" in said


# What is in the picture


def test_rotten_bits_are_found(good: Path, tmp_path: Path) -> None:
    data, chance = bytearray(good.read_bytes()), random.Random(1)
    for _ in range(60):
        data[chance.randrange(len(data) // 10, len(data) - 100)] = chance.randrange(256)
    (tmp_path / "clip.mp4").write_bytes(data)
    assert "damaged: " in refusal(tmp_path / "clip.mp4")


def test_a_hole_of_zeros_is_found(good: Path, tmp_path: Path) -> None:
    data = bytearray(good.read_bytes())
    middle, hole = len(data) // 2, len(data) // 20
    data[middle : middle + hole] = bytes(hole)
    (tmp_path / "clip.mp4").write_bytes(data)
    assert "frames cannot be decoded cleanly" in refusal(tmp_path / "clip.mp4")


def test_a_black_clip_is_bad_whether_it_was_to_move_or_not(ff: Ff, tmp_path: Path) -> None:
    ff("-f", "lavfi", "-i", "color=black:s=320x180:r=24:d=5", *H264, tmp_path / "clip.mp4")
    for moving in (True, False):
        order = Ordered(seconds=5, width=320, height=180, moving=moving)
        assert refusal(tmp_path / "clip.mp4", order) == "clip.mp4: black for 5.0 s of 5.0 s"


def test_black_with_noise_is_black(ff: Ff, tmp_path: Path) -> None:
    source = "color=black:s=320x180:r=24:d=5,noise=alls=6:allf=t"
    ff("-f", "lavfi", "-i", source, *H264, tmp_path / "clip.mp4")
    assert "black for 5.0 s" in refusal(tmp_path / "clip.mp4")


def test_a_clip_that_is_black_in_the_middle_is_bad(good: Path, ff: Ff, tmp_path: Path) -> None:
    box = "drawbox=t=fill:c=black:enable='between(t,2,3.5)'"
    ff("-i", good, "-vf", box, *H264, tmp_path / "clip.mp4")
    assert re.search(r"black for 1\.[56] s of 5\.0 s", refusal(tmp_path / "clip.mp4"))


@pytest.mark.parametrize("fade", ["fade=in:d=1", "fade=out:st=4.2:d=0.8", "fade=in:d=0.5,fade=out:st=4.5:d=0.5"])
def test_a_short_fade_from_or_to_black_is_fine(good: Path, ff: Ff, tmp_path: Path, fade: str) -> None:
    ff("-i", good, "-vf", fade, *H264, tmp_path / "clip.mp4")
    verify_clip(tmp_path / "clip.mp4", ORDER)


@pytest.mark.parametrize("prompt", ["a lake at night", "dark forest at midnight, moon", "city at night"])
def test_a_night_scene_is_not_black(prompt: str, clips: Clips, tmp_path: Path) -> None:
    draw_still(prompt, seed=1, width=320, height=180).image.save(tmp_path / f"{prompt}.png")
    order = Ordered(seconds=2, width=320, height=180, moving=True)
    verify_clip(clips(CameraMove.PAN_LEFT, of=tmp_path / f"{prompt}.png"), order)


def test_a_frozen_clip_is_bad_only_when_it_was_to_move(clips: Clips) -> None:
    still = clips(CameraMove.STATIC, seconds=5)
    assert refusal(still).endswith(": frozen from 0.0 s to the end")
    verify_clip(still, Ordered(seconds=5, width=320, height=180, moving=False))


@pytest.mark.parametrize(
    "encoder",
    [
        ("-preset", "medium", "-crf", "23"),
        ("-preset", "ultrafast", "-crf", "28"),
        ("-preset", "veryfast", "-b:v", "1M", "-bf", "0"),
        ("-preset", "medium", "-b:v", "400k", "-g", "48"),
    ],
)
def test_a_frozen_clip_is_recognised_through_every_encoders_noise(
    still: Path, ff: Ff, tmp_path: Path, encoder: tuple[str, ...]
) -> None:
    ff("-i", still, "-vf", STANDING, "-pix_fmt", "yuv420p", "-c:v", "libx264", *encoder, tmp_path / "clip.mp4")
    assert "frozen from" in refusal(tmp_path / "clip.mp4")


def test_a_clip_that_stops_half_way_says_when(good: Path, ff: Ff, tmp_path: Path) -> None:
    stops = "trim=end=2,tpad=stop_mode=clone:stop_duration=3"
    ff("-i", good, "-vf", stops, *H264, tmp_path / "clip.mp4")
    assert refusal(tmp_path / "clip.mp4").endswith(": frozen from 2.0 s to the end")


def test_a_clip_that_rests_in_the_middle_says_from_when_to_when(good: Path, ff: Ff, tmp_path: Path) -> None:
    rests = "setpts='if(gt(N,48),PTS+1.5/TB,PTS)',fps=24"
    ff("-i", good, "-vf", rests, "-t", 5, *H264, tmp_path / "clip.mp4")
    assert re.search(r": frozen from 2\.[0-2] s to 3\.[3-6] s", refusal(tmp_path / "clip.mp4"))


def test_a_rest_of_less_than_a_second_is_fine(good: Path, ff: Ff, tmp_path: Path) -> None:
    rests = "setpts='if(gt(N,48),PTS+0.8/TB,PTS)',fps=24"
    ff("-i", good, "-vf", rests, "-t", 5, *H264, tmp_path / "clip.mp4")
    verify_clip(tmp_path / "clip.mp4", ORDER)


def test_a_very_short_clip_that_stands_still_is_frozen(clips: Clips) -> None:
    order = Ordered(seconds=1, width=320, height=180, moving=True)
    assert "frozen" in refusal(clips(CameraMove.STATIC, seconds=1), order)


MOVES = [move for move in CameraMove if move is not CameraMove.STATIC]


def ensure_moving(path: Path) -> None:
    verify_clip(path, Ordered(seconds=10, width=320, height=180, moving=True))


@pytest.mark.parametrize("move", [CameraMove.ZOOM_IN, CameraMove.ORBIT, CameraMove.TRUCK])
def test_a_move_of_low_strength_is_not_frozen(move: CameraMove, clips: Clips) -> None:
    """Eight frames a second are as many as the check looks at."""
    ensure_moving(clips(move, strength=0.1, seconds=10, fps=8))


@pytest.fixture(scope="session")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture with next to nothing in it: 60 levels from top to bottom, 30 from left to right."""
    down, across = np.linspace(90, 150, 720)[:, None], np.linspace(0, 30, 1280)[None, :]
    picture = np.stack([down + across, down + 0 * across, down + 0 * across], axis=-1)
    path = tmp_path_factory.mktemp("flat") / "flat.png"
    Image.fromarray(picture.astype(np.uint8)).save(path)
    return path


@pytest.mark.parametrize("move", MOVES)
def test_a_move_of_low_strength_over_a_flat_picture_is_not_frozen(move: CameraMove, clips: Clips, flat: Path) -> None:
    ensure_moving(clips(move, strength=0.1, seconds=10, fps=8, of=flat))


def test_a_move_that_an_encoder_hardly_sees_from_frame_to_frame_is_not_frozen(clips: Clips, flat: Path) -> None:
    ensure_moving(clips(CameraMove.ZOOM_IN, strength=0.1, seconds=10, of=flat))


def test_something_small_that_moves_is_enough(still: Path, ff: Ff, tmp_path: Path) -> None:
    ff(
        *("-i", still, "-f", "lavfi", "-i", "color=white:s=10x10:r=24:d=5"),
        *("-filter_complex", f"[0]{STANDING}[b];[b][1]overlay=x='40+20*t':y=120"),
        *(*H264, tmp_path / "clip.mp4"),
    )
    verify_clip(tmp_path / "clip.mp4", ORDER)


def test_light_that_changes_is_enough(still: Path, ff: Ff, tmp_path: Path) -> None:
    ff("-i", still, "-vf", f"{STANDING},eq=brightness='-0.1+0.04*t':eval=frame", *H264, tmp_path / "clip.mp4")
    verify_clip(tmp_path / "clip.mp4", ORDER)


def reading_seconds() -> float:
    """Processor time, over all threads, of the readers of this process."""
    times = [psutil.Process(pid).cpu_times() for pid in _reading._READERS.pids()]
    return sum(time.user + time.system for time in times)


def test_full_hd_is_checked_in_well_under_a_second_per_five(clips: Clips, ff: Ff, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    ff("-i", clips(CameraMove.TRUCK), "-vf", "scale=1920:1080", *H264, "-preset", "ultrafast", path)
    probe(path)  # a reader is there
    before = reading_seconds()
    verify_clip(path, Ordered(seconds=2, width=1920, height=1080, moving=True))
    # 0.8 s per 5 s, three times that for a busy machine.
    assert 0 < reading_seconds() - before < 2 / 5 * 0.8 * 3
