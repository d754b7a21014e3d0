"""Darkness and stillness, from thumbnails made by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from studio.media.watch import Stretch, Watch, camera_motion, motion_within_noise
from tests.studio.media.conftest import blobs

Luma = NDArray[np.float32]


def shifted(pixels: float, noise: float = 0.0, seed: int = 0) -> Luma:
    """A soft picture, moved to the right by a fraction of a pixel, with an encoder's noise."""
    picture = np.asarray(blobs().convert("L"), np.float32)[::2, ::2]
    column = np.arange(40, 280) - pixels
    left = column.astype(int)
    share = (column - left).astype(np.float32)
    moved = picture[:, left] * (1 - share) + picture[:, left + 1] * share
    grain = np.random.RandomState(seed).standard_normal(moved.shape) * noise
    return np.asarray(moved + grain, np.float32)


def watched(pictures: list[Luma], *, rate: int = 8) -> Watch:
    watch = Watch(16, 235, 8)
    for number, picture in enumerate(pictures):
        watch.see(number / rate, picture)
    watch.end(len(pictures) / rate)
    return watch


def test_a_shift_is_measured_to_hundredths_of_a_pixel_through_noise() -> None:
    for pixels in (0.0, 0.03, 0.1, -0.2):
        before, after = shifted(0, 0.4, 1), shifted(pixels, 0.4, 2)
        down, across = map(np.asarray, np.gradient((before + after) / 2))
        assert camera_motion(after - before, across, down)[0] == pytest.approx(pixels, abs=0.01)


def test_noise_alone_is_not_motion_and_a_small_shift_is() -> None:
    assert motion_within_noise(shifted(0, 0.4, 1), shifted(0, 0.4, 2), 8) is not None
    assert motion_within_noise(shifted(0, 0.4, 1), shifted(0.05, 0.4, 2), 8) is None


def test_one_small_thing_that_moves_is_motion() -> None:
    after = shifted(0)
    after[10:12, 20:22] += 30
    assert motion_within_noise(shifted(0), after, 8) is None


def test_a_plain_picture_stands_still_only_when_it_is_identical() -> None:
    plain = np.full((90, 160), 100, np.float32)
    assert motion_within_noise(plain, plain, 8) == (0, 0, 0, 0)
    assert motion_within_noise(plain, plain + np.eye(90, 160, dtype=np.float32), 8) is None


def test_a_picture_that_stops_is_frozen_from_there() -> None:
    moving = [shifted(number) for number in range(16)]
    watch = watched([*moving, *[shifted(15, 0.3, seed) for seed in range(24)]])
    assert watch.longest_still == Stretch(1.875, 5.0)
    assert watch.frozen(5.0) == Stretch(1.875, 5.0)


def test_a_rest_that_would_be_too_long_in_a_lively_clip_is_fine_in_a_slow_one() -> None:
    rest = [shifted(20)] * 14
    lively = [shifted(number) for number in range(26)]
    slow = [shifted(number // 8 * 0.3) for number in range(26)]
    assert watched([*lively, *rest]).frozen(5.0) is not None
    assert watched([*slow, *rest]).frozen(5.0) is None


def test_a_drift_too_slow_to_see_in_a_second_is_still_a_drift() -> None:
    drift = watched([shifted(number * 0.0009, 0.2, number) for number in range(40)])
    assert drift.frozen(5.0) is None
    jitter = watched([shifted(0.005 * (-1) ** number, 0.2, number) for number in range(40)])
    assert jitter.frozen(5.0) is not None


def test_a_jump_at_a_key_frame_is_not_a_drift() -> None:
    jump = watched([shifted(0.0 if number < 20 else 0.015, 0.1, number) for number in range(40)])
    assert jump.frozen(5.0) is not None


def test_dark_time_is_added_up() -> None:
    black, bright = np.full((90, 160), 16, np.float32), shifted(0)[:90, :160]
    assert watched([black] * 8 + [bright] * 8 + [black] * 4).dark_seconds == pytest.approx(1.5)


def test_dark_begins_at_six_percent() -> None:
    for luma, seconds in ((28, 1.0), (30, 0.0)):  # 16 is black, 235 white
        assert watched([np.full((90, 160), luma, np.float32)] * 8).dark_seconds == pytest.approx(seconds)


def test_a_little_light_makes_a_frame_not_dark() -> None:
    night = np.full((90, 160), 20, np.float32)
    night[:5, :80] = 200  # 2.8 % of it
    assert watched([night] * 8).dark_seconds == 0
