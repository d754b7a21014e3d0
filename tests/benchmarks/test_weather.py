"""Bad weather of `python -m benchmarks weather`, with a few videos.

Without stalled senders: to meet an order on its way depends on the machine; the whole benchmark has them.
"""

import argparse

import pytest

from benchmarks import weather


@pytest.mark.timeout(300)
async def test_videos_in_bad_weather_are_made_once_each_and_without_an_operator() -> None:
    parser = argparse.ArgumentParser()
    weather.arguments(parser)
    words = ["--videos", "3", "--orders", "0", "--failures", "0", "--without", "stall,drip", "--seed", "2"]
    words += ["--events", "limiter,postgresql"]
    found = await weather.run(parser.parse_args(words))
    assert {key: found[key] for key in ("doubled", "lost", "orphaned", "stuck", "untrue", "books_equal")} == {
        "doubled": 0,
        "lost": 0,
        "orphaned": 0,
        "stuck": 0,
        "untrue": 0,
        "books_equal": True,
    }
    assert found["clips"] == found["billed"] == 9
    assert found["finished"] == 3
    assert all(found["refused"].values()), found["refused"]
    assert found["odd_kinds"] > 10
