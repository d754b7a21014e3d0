"""How long sound is, and how many frames that makes."""

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import BadSound, InvalidRequest
from studio.media.length import audio_seconds, frames_for
from tests.studio.media.conftest import Clips, Ff

KINDS = {
    "wav": ("-c:a", "pcm_s16le"),
    "mp3": ("-c:a", "libmp3lame"),
    "flac": ("-c:a", "flac"),
    "ogg": ("-c:a", "libopus"),
    "m4a": ("-c:a", "aac"),
    "aac": ("-c:a", "aac"),
    "webm": ("-c:a", "libopus"),
}
RATES = [16, 24, 25, 30, Fraction(24_000, 1_001)]


def sound(ff: Ff, path: Path, seconds: float) -> Path:
    ff("-f", "lavfi", "-i", f"sine=440:d={seconds}:r=48000", *KINDS[path.suffix[1:]], path)
    return path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seconds", [0.2, 3.337])
def test_the_length_of_sound_is_known_to_well_within_a_frame(kind: str, seconds: float, ff: Ff, tmp_path: Path) -> None:
    found = audio_seconds(sound(ff, tmp_path / f"speech.{kind}", seconds))
    assert found == pytest.approx(seconds, abs=0.05 if kind == "aac" else 0.025)  # AAC has no word for its padding


def test_what_is_there_counts_and_not_what_the_header_says(ff: Ff, tmp_path: Path) -> None:
    for kind in ("mp3", "wav"):
        whole = sound(ff, tmp_path / f"whole.{kind}", 4).read_bytes()
        cut = tmp_path / f"cut.{kind}"
        cut.write_bytes(whole[: len(whole) // 2])
        assert audio_seconds(cut) == pytest.approx(2, abs=0.06)


def test_the_sound_of_a_clip_counts_where_its_picture_is_longer(good: Path, ff: Ff, tmp_path: Path) -> None:
    spoken = tmp_path / "spoken.mp4"
    ff("-i", good, "-f", "lavfi", "-i", "sine=440:d=1.5", "-map", "0:v", "-map", "1:a", "-c:v", "copy", spoken)
    assert audio_seconds(spoken) == pytest.approx(1.5, abs=0.025)


def test_what_holds_no_sound_is_refused_with_the_reason(clips: Clips, tmp_path: Path) -> None:
    (tmp_path / "page.mp3").write_text("<html>404</html>")
    (tmp_path / "empty.mp3").write_bytes(b"")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/x.mp3\n")
    for name in ("page.mp3", "empty.mp3", "list.m3u8"):
        with pytest.raises(BadSound, match=f"{name}: it is no WAV, MP3"):
            audio_seconds(tmp_path / name)
    with pytest.raises(BadSound, match="there is no sound in it"):
        audio_seconds(clips())
    with pytest.raises(BadSound, match="there is no such file"):
        audio_seconds(tmp_path / "none.wav")


@pytest.mark.parametrize(("fps", "frames"), [(16, 80), (24, 120), (25, 125), (Fraction(24_000, 1_001), 120)])
def test_without_sound_a_clip_lasts_five_seconds(fps: Fraction, frames: int) -> None:
    assert frames_for(None, fps) == frames


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("count", [1, 7, 81, 1_000])
def test_a_length_of_whole_frames_is_these_frames(fps: Fraction, count: int) -> None:
    assert frames_for(float(count / Fraction(fps)), fps) == count


@given(st.floats(0.01, 600), st.sampled_from([*RATES, 23.976, 29.97]))
def test_a_clip_is_never_shorter_than_its_sound_and_less_than_a_frame_longer(
    seconds: float, fps: Fraction | float
) -> None:
    longer = frames_for(seconds, fps) - seconds * float(fps)
    assert -1e-5 <= longer < 1


@pytest.mark.parametrize(("seconds", "fps"), [(0, 16), (-1, 16), (float("nan"), 16), (float("inf"), 16), (5, 0)])
def test_no_length_and_no_rate_make_no_clip(seconds: float, fps: int) -> None:
    with pytest.raises(InvalidRequest, match="no clip lasts"):
        frames_for(seconds, fps)
