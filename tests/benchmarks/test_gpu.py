"""The benchmark of renders under crashes, with one round of each case."""

import argparse
from typing import Any

import pytest

from benchmarks import gpu_crash
from benchmarks.__main__ import Benchmark, load


async def found_by(benchmark: str, *words: str) -> dict[str, Any]:
    """What a benchmark finds with these options."""
    module: Benchmark = load(benchmark)
    parser = argparse.ArgumentParser()
    module.arguments(parser)
    return await module.run(parser.parse_args(words))


@pytest.mark.timeout(120)
async def test_no_crash_loses_a_clip_or_has_it_rendered_twice() -> None:
    found = await found_by("gpu_crash", "--rounds", "1", "--lanes", "4")
    assert found["rounds"] == len(gpu_crash.CASES)
    assert (found["lost"], found["max_submissions_while_known"]) == (0, 1), found
    for name, case in found["by_case"].items():
        assert case["max_attempts"] == (2 if name == "server restarts rendering" else 1), found
