"""Between RGB and the planes of video."""

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from studio.contracts.clip import CameraMove
from studio.media.animatic import render_clip
from studio.media.colour import to_image, to_planes
from studio.media.frames import last_frame
from studio.media.stills import Still


def even(red: int, green: int, blue: int) -> Image.Image:
    return Image.new("RGB", (16, 16), (red, green, blue))


def mean(image: Image.Image) -> NDArray[np.float64]:
    return np.asarray(np.asarray(image, np.float64).mean(axis=(0, 1)))


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        # The colour bars of ITU-R BT.709 at full saturation, rounded.
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_known_colours_have_the_values_of_the_standard(rgb: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    assert tuple(np.asarray(plane)[0, 0] for plane in to_planes(even(*rgb))) == yuv


def test_there_and_back_is_the_same_colour_within_rounding() -> None:
    for rgb in [(12, 200, 77), (250, 3, 129), (128, 128, 128), (1, 2, 3), (254, 255, 250)]:
        back = np.asarray(to_image(to_planes(even(*rgb))))[8, 8].astype(int)
        assert np.abs(back - rgb).max() <= 2


def test_ten_generations_do_not_drift(drawn: Still) -> None:
    picture = drawn.image
    for _ in range(10):
        picture = to_image(to_planes(picture))
    assert np.abs(mean(picture) - mean(drawn.image)).max() < 0.5


def test_full_range_and_the_older_matrix_are_understood() -> None:
    grey = Image.new("L", (4, 4), 255)
    middle = Image.new("L", (2, 2), 128)
    assert to_image((grey, middle, middle), full_range=True).getpixel((1, 1)) == (255, 255, 255)
    y, u, v = (Image.new("L", size, value) for size, value in (((4, 4), 81), ((2, 2), 90), ((2, 2), 240)))
    red = to_image((y, u, v), matrix=6)  # pure red in BT.601
    assert np.abs(mean(red) - (255, 0, 0)).max() <= 2


def test_a_clip_seeded_from_a_clip_seeded_from_a_clip_keeps_its_colours(drawn: Still, tmp_path: Path) -> None:
    still = tmp_path / "still.png"
    drawn.image.save(still)
    for generation in range(5):
        clip = tmp_path / f"{generation}.mp4"
        render_clip(still, clip, move=CameraMove.STATIC, strength=0, seconds=0.2, width=640, height=360)
        still = tmp_path / f"{generation}.png"
        last_frame(clip).save(still)
    assert np.abs(mean(Image.open(still)) - mean(drawn.image)).max() < 0.6


def test_pyavs_own_conversion_would_darken(drawn: Still, tmp_path: Path) -> None:
    # Why the numpy conversion exists. Should this ever fail, it may be dropped.
    clip, still = tmp_path / "clip.mp4", tmp_path / "still.png"
    drawn.image.save(still)
    render_clip(still, clip, move=CameraMove.STATIC, strength=0, seconds=0.2, width=640, height=360)
    with av.open(str(clip)) as container:
        theirs = next(container.decode(video=0)).to_ndarray(format="rgb24").mean()
    truth = mean(drawn.image).mean()
    assert abs(mean(last_frame(clip)).mean() - truth) < 0.3
    assert theirs - truth < -0.4
