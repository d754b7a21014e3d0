"""Virtual time and the limits that run on it."""

import pytest

from simulators.clock import Clock, Timers
from simulators.windows import Bucket, Peak, SlidingWindow
from tests.simulators.callers import until


def test_time_runs_at_its_speed_and_jumps_ahead() -> None:
    clock = Clock(speed=3_600)
    first = clock.now()
    clock.advance(86_400)
    assert 86_400 <= clock.now() - first < 86_400 + 3_600
    assert clock.elapsed == pytest.approx(86_400, abs=3_600)
    assert clock.real(3_600) == 1
    assert clock.real(-5) == 0
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="positive"):
        Clock(speed=0)


async def test_timers_go_off_in_the_order_they_are_due() -> None:
    clock = Clock(speed=1_000)
    timers = Timers(clock)
    seen: list[str] = []
    start = clock.now()
    timers.at(start + 60, lambda: seen.append("last"))
    timers.at(start + 20, lambda: seen.append("first"))
    timers.at(start + 40, lambda: seen.append("second"))
    assert seen == []
    await until(lambda: len(seen) == 3, 5)
    assert seen == ["first", "second", "last"]


async def test_timers_catch_up_after_a_jump_also_with_what_they_start() -> None:
    clock = Clock()
    timers = Timers(clock)
    seen: list[str] = []

    def first() -> None:
        seen.append("first")
        timers.at(clock.now() - 1, lambda: seen.append("started by it"))

    timers.at(clock.now() + 100, first)
    timers.at(clock.now() + 10_000, lambda: seen.append("never"))
    clock.advance(101)
    timers.catch_up()
    assert seen == ["first", "started by it"]
    timers.clear()
    clock.advance(100_000)
    timers.catch_up()
    assert len(seen) == 2


def test_a_window_slides() -> None:
    window = SlidingWindow()
    assert [window.admit(now, 2, 10) for now in (0, 5, 9, 10, 11, 15)] == [True, True, False, True, False, True]
    assert window.wait(15, 10) == 5
    assert all(SlidingWindow().admit(0, 0, 10) for _ in range(100))


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    bucket = Bucket()
    assert [bucket.admit(0, 2, 3) for _ in range(4)] == [True, True, True, False]
    assert bucket.wait(2) == 0.5
    assert [bucket.admit(now, 2, 3) for now in (0.4, 0.5, 0.6, 1.0, 100, 100, 100, 100)] == [
        False,
        True,
        False,
        True,
        *[True, True, True, False],
    ]


def test_a_peak_is_the_most_in_any_one_second() -> None:
    peak = Peak()
    for wall in (0.0, 0.5, 0.9, 1.4, 1.45, 1.49, 3.0):
        peak.count(wall)
    assert (peak.total, peak.highest) == (7, 5)
