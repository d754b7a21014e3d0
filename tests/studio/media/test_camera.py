"""Where the camera looks: arithmetic."""

import math

import pytest

from studio.contracts.clip import CameraMove
from studio.errors import InvalidRequest
from studio.media.camera import View, ease, view

MOVES = list(CameraMove)
STRENGTHS = (0.0, 0.05, 0.3, 0.5, 1.0)
TIMES = [step / 40 for step in range(41)]


def test_the_ease_starts_at_nought_ends_at_one_and_never_turns_back() -> None:
    eased = [ease(t) for t in TIMES]
    assert eased[0] == 0
    assert eased[-1] == pytest.approx(1)
    assert eased == sorted(eased)
    assert ease(0.5) == pytest.approx(0.5)


def test_a_static_shot_sees_the_same_at_every_moment() -> None:
    assert {view(CameraMove.STATIC, 1, t) for t in TIMES} == {View()}


@pytest.mark.parametrize("move", MOVES)
def test_no_strength_is_no_move(move: CameraMove) -> None:
    for t in TIMES:
        seen = view(move, 0, t)
        assert (seen.zoom, seen.x, seen.y, seen.yaw or 0, seen.parallax) == (1, 0, 0, 0, 0)


def test_a_pan_travels_a_fifth_of_the_width_at_full_strength() -> None:
    left, right = view(CameraMove.PAN_RIGHT, 1, 0), view(CameraMove.PAN_RIGHT, 1, 1)
    assert right.x - left.x == pytest.approx(0.20)
    assert left.zoom == right.zoom == pytest.approx(1.25)
    assert [view(CameraMove.PAN_LEFT, 1, t).x for t in TIMES] == [
        pytest.approx(-view(CameraMove.PAN_RIGHT, 1, t).x) for t in TIMES
    ]


def test_a_zoom_grows_by_forty_percent_and_back() -> None:
    assert view(CameraMove.ZOOM_IN, 1, 0).zoom == 1
    assert view(CameraMove.ZOOM_IN, 1, 1).zoom == pytest.approx(1.4)
    for t in TIMES:
        there, back = view(CameraMove.ZOOM_IN, 0.5, t), view(CameraMove.ZOOM_OUT, 0.5, 1 - t)
        assert there.zoom == pytest.approx(back.zoom)


def test_a_truck_passes_near_things_faster_than_far_ones() -> None:
    start, end = view(CameraMove.TRUCK, 1, 0), view(CameraMove.TRUCK, 1, 1)
    assert end.x - start.x == pytest.approx(0.05)
    assert end.parallax - start.parallax == pytest.approx(0.07)
    assert start.pivot == 0


def test_an_orbit_turns_seven_degrees_around_a_point_in_the_middle_distance() -> None:
    start, end = view(CameraMove.ORBIT, 1, 0), view(CameraMove.ORBIT, 1, 1)
    assert math.degrees((end.yaw or 0) - (start.yaw or 0)) == pytest.approx(7)
    assert start.pivot == 0.55


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("strength", STRENGTHS)
def test_the_view_never_leaves_the_picture(move: CameraMove, strength: float) -> None:
    for t in TIMES:
        seen = view(move, strength, t)
        half = 0.5 / seen.zoom
        for depth in (0.0, 1.0):
            middle = seen.x + seen.parallax * (depth - seen.pivot)
            # A turn widens one side: x / (1 + sin(yaw) / 1.2 * x), with the focal length of 1.2 widths.
            widened = 1 / (1 - abs(math.sin(seen.yaw or 0)) / 1.2 / 2)
            assert abs(middle) + half * widened <= 0.5 + 1e-9
        assert half * widened <= 0.5 + 1e-9


@pytest.mark.parametrize(("strength", "t"), [(1.1, 0), (-0.1, 0), (0.5, 1.01), (0.5, -0.01), (math.nan, 0)])
def test_what_is_not_between_nought_and_one_is_refused(strength: float, t: float) -> None:
    with pytest.raises(InvalidRequest):
        view(CameraMove.PAN_LEFT, strength, t)
