"""Single frames: which one, and in which colours."""

from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio.contracts.clip import CameraMove
from studio.errors import BadClip
from studio.media.frames import frame_at, last_frame
from tests.studio.media.conftest import Clips, Ff

X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", 2, "-pix_fmt", "yuv420p")


def grey(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(image.convert("L"), float)


@lru_cache(maxsize=8)
def decoded(path: Path) -> NDArray[np.int16]:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray").astype(np.int16) for frame in container.decode(video=0)])


def which(path: Path, picture: Image.Image) -> tuple[int, int]:
    """The frame of the clip that the picture is, by full decoding, and how many frames there are."""
    frames = decoded(path)
    errors = np.abs(frames - grey(picture).astype(np.int16)).mean(axis=(1, 2))
    best = int(np.argmin(errors))
    assert errors[best] < 1.5
    return best, len(frames)


@pytest.fixture(scope="module")
def source(clips: Clips) -> Path:
    return clips(CameraMove.PAN_RIGHT, seconds=10, strength=1)


@pytest.fixture(scope="module")
def kinds(source: Path, ff: Ff, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("kinds")
    made = {name: folder / f"{name}.mp4" for name in ("audio_longer", "one_gop", "wan", "gap")}
    sound = ("-f", "lavfi", "-i", "sine=440:d=14", "-map", "0:v", "-map", "1:a")
    ff("-i", source, *sound, "-c:v", "copy", "-c:a", "aac", made["audio_longer"])
    one_gop = ("-g", 999, "-keyint_min", 999, "-sc_threshold", 0, "-bf", 8)
    ff("-i", source, "-t", 8, *X264, *one_gop, made["one_gop"])
    ff("-i", source, "-r", 16, "-frames:v", 81, *X264, made["wan"])
    gap = "select='lt(n,200)+eq(n,239)'"
    ff("-i", source, "-vf", gap, "-fps_mode", "vfr", *X264, made["gap"])
    return {"plain": source, **made}


@pytest.mark.parametrize("kind", ["plain", "audio_longer", "one_gop", "wan", "gap"])
def test_the_last_frame_is_the_last_frame(kind: str, kinds: dict[str, Path]) -> None:
    place, count = which(kinds[kind], last_frame(kinds[kind]))
    assert place == count - 1


@pytest.mark.parametrize("kind", ["plain", "audio_longer", "one_gop", "wan"])
@pytest.mark.parametrize("fraction", [0, 0.25, 0.5, 0.999, 1])
def test_a_frame_is_the_one_shown_at_its_time(kind: str, fraction: float, kinds: dict[str, Path]) -> None:
    place, count = which(kinds[kind], frame_at(kinds[kind], fraction))
    assert place == min(count - 1, int(count * fraction + 1e-9))


def test_a_frame_within_a_gap_is_the_one_before_it(kinds: dict[str, Path]) -> None:
    # 200 frames, then nothing until the 240th: at 90 % of the time the 200th is still shown.
    assert which(kinds["gap"], frame_at(kinds["gap"], 0.9))[0] == 199


def test_fractions_beyond_the_ends_are_the_ends(source: Path) -> None:
    assert which(source, frame_at(source, -3))[0] == 0
    assert which(source, frame_at(source, 7))[0] == 239


def test_a_frame_can_be_made_smaller_in_its_shape(source: Path) -> None:
    small = frame_at(source, 0.5, within=(100, 100))
    assert small.size == (100, 56)
    large = frame_at(source, 0.5).resize((100, 56), Image.Resampling.BOX)
    assert np.abs(grey(small) - grey(large)).mean() < 2
    assert frame_at(source, 0.5, within=(9_999, 9_999)).size == (320, 180)
    assert frame_at(source, 1, within=(100, 100)).size == (100, 56)


def test_other_pixel_formats_and_odd_widths_are_read(source: Path, ff: Ff, tmp_path: Path) -> None:
    for name, options in (
        ("444", ("-pix_fmt", "yuv444p")),
        ("ten", ("-pix_fmt", "yuv420p10le")),
        ("odd", ("-vf", "scale=101:57", "-pix_fmt", "yuv444p")),
    ):
        path = tmp_path / f"{name}.mp4"
        ff("-i", source, "-t", 0.5, *options, "-c:v", "libx264", path)
        expected = grey(frame_at(source, 0).resize(last_frame(path).size, Image.Resampling.BOX))
        assert np.abs(grey(frame_at(path, 0)) - expected).mean() < 4


def test_a_file_without_frames_is_bad(source: Path, tmp_path: Path) -> None:
    data = bytearray(source.read_bytes())
    start = data.find(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    (tmp_path / "clip.mp4").write_bytes(data)
    for read in (last_frame, lambda path: frame_at(path, 0.5)):
        with pytest.raises(BadClip, match=r"clip\.mp4: "):
            read(tmp_path / "clip.mp4")
