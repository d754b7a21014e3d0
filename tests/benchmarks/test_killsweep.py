"""The sweep of `python -m benchmarks killsweep`, with ten videos and the kills that say most."""

import argparse

import pytest

from benchmarks import killsweep

POINTS = "downloading,joining,after acceptance,PostgreSQL at any time,Temporal at any time"


@pytest.mark.timeout(150)
async def test_ten_videos_under_kill_9_are_made_once_each_and_as_in_peace() -> None:
    parser = argparse.ArgumentParser()
    killsweep.arguments(parser)
    found = await killsweep.run(parser.parse_args(["--videos", "10", "--clips", "2", "--points", POINTS]))
    assert (found["doubled"], found["lost"], found["stuck"], found["still_open"]) == (0, 0, 0, 0), found
    assert found["orphaned"] == 0, found
    assert found["billed"] == found["clips"] == 20
    assert found["same_takes_in_peace"]
    assert found["missed"] == 0
    assert found["kills"] == 6
    assert found["in_desk"] >= 1
