"""A clip cut to the frame."""

import hashlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from studio.contracts.clip import CameraMove
from studio.errors import BadClip
from studio.media.length import audio_seconds, frames_for
from studio.media.probe import probe
from studio.media.trim import trim_clip
from tests.studio.media.conftest import Clips, Ff

X264 = ("-c:v", "libx264", "-preset", "veryfast", "-crf", 12, "-pix_fmt", "yuv420p")


def greys(path: Path) -> NDArray[np.int16]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray").astype(np.int16) for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def source(clips: Clips) -> Path:
    return clips(CameraMove.PAN_RIGHT, seconds=6, strength=1)


@pytest.fixture(scope="module")
def wan(source: Path, ff: Ff, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As a server writes it: 81 frames at 16 per second, frames that refer to later ones, no colour tags."""
    path = tmp_path_factory.mktemp("wan") / "wan.mp4"
    ff("-i", source, "-r", 16, "-frames:v", 81, *X264, "-bf", 3, "-g", 250, path)
    return path


@pytest.mark.parametrize("rate", ["16", "24", "25", "30", "24000/1001"])
async def test_a_clip_has_exactly_the_frames_that_are_asked_for(
    rate: str, source: Path, ff: Ff, tmp_path: Path
) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    ff("-i", source, "-vf", f"setpts=N/({rate})/TB", "-r", rate, "-frames:v", 81, *X264, "-bf", 3, clip)
    for frames in (1, 2, 47, 80):
        info = await trim_clip(clip, target, frames)
        assert info == probe(target)
        assert (info.frames, info.fps) == (frames, Fraction(rate))
        assert info.seconds == pytest.approx(frames / Fraction(rate), abs=0.001)


async def test_the_frames_that_stay_are_the_first_ones_in_their_order(wan: Path, tmp_path: Path) -> None:
    await trim_clip(wan, tmp_path / "out.mp4", 50)
    before, after = greys(wan), greys(tmp_path / "out.mp4")
    errors = [np.abs(before - frame).mean(axis=(1, 2)) for frame in after]
    assert [int(np.argmin(error)) for error in errors] == list(range(50))
    assert max(error.min() for error in errors) < 2


async def test_size_rate_and_colour_tags_stay(wan: Path, source: Path, tmp_path: Path) -> None:
    for clip in (wan, source):
        before, after = probe(clip), await trim_clip(clip, tmp_path / "out.mp4", 70)
        assert (after.width, after.height, after.fps) == (before.width, before.height, before.fps)
        assert (after.colour, after.codec, after.pix_fmt) == (before.colour, "h264", "yuv420p")


async def test_a_clip_that_has_just_these_frames_stays_as_it_is_to_the_byte(wan: Path, tmp_path: Path) -> None:
    await trim_clip(wan, tmp_path / "out.mp4", 81)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (wan, tmp_path / "out.mp4")}
    assert len(digests) == 1


async def test_sound_goes_and_does_not_count(wan: Path, ff: Ff, tmp_path: Path) -> None:
    loud = tmp_path / "loud.mp4"
    ff("-i", wan, "-f", "lavfi", "-i", "sine=440:d=9", "-map", "0:v", "-map", "1:a", "-c:v", "copy", loud)
    for frames in (81, 60):
        info = await trim_clip(loud, tmp_path / "out.mp4", frames)
        assert (info.frames, info.has_audio) == (frames, False)


@pytest.mark.parametrize("frames", [82, 0])
async def test_frames_that_are_not_there_are_not_made_up(frames: int, wan: Path, tmp_path: Path) -> None:
    with pytest.raises(BadClip, match=rf"wan\.mp4: it has 81 frames, {frames} are asked for"):
        await trim_clip(wan, tmp_path / "out.mp4", frames)
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("seconds", [0.5, 2.71, 4.99])
async def test_a_clip_is_as_long_as_its_speech_within_one_frame(
    seconds: float, wan: Path, ff: Ff, tmp_path: Path
) -> None:
    speech = tmp_path / "speech.wav"
    ff("-f", "lavfi", "-i", f"sine=440:d={seconds}", speech)
    info = await trim_clip(wan, tmp_path / "out.mp4", frames_for(audio_seconds(speech), 16))
    assert 0 <= info.seconds - seconds < 1 / 16
