"""`python -m benchmarks NAME`: one figure each. The last line of the output is one JSON object with the keys the
benchmark names; the exit status says only whether it ran."""

import argparse
import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable
from typing import Any, Protocol, cast

from studio.ending import run_and_leave

NAMES = (
    *("resume", "gate", "overhead", "join", "waiting", "killsweep", "lostreply", "budget", "callback", "retake"),
    *("weather", "cases"),
    *("gpu_overhead", "gpu_crash", "gpu_cancel", "gpu_spread"),
)


class Benchmark(Protocol):
    """What a benchmark module has. Its docstring says what it measures and how."""

    __doc__: str | None

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its options."""

    def run(self, options: argparse.Namespace) -> Awaitable[dict[str, Any]]:
        """Measure."""


def main() -> None:
    """Run one benchmark, or list them."""
    if sys.argv[1:] in ([], ["--list"]):
        for name in NAMES:
            print(f"{name:<13} {(load(name).__doc__ or '').strip()}\n")
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    commands = parser.add_subparsers(dest="name", required=True)
    for name in NAMES:
        benchmark = load(name)
        benchmark.arguments(commands.add_parser(name, description=benchmark.__doc__))
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_run(options))))


def load(name: str) -> Benchmark:
    """The module of a benchmark."""
    return cast(Benchmark, importlib.import_module(f"benchmarks.{name}"))


async def _run(options: argparse.Namespace) -> dict[str, Any]:
    return await load(options.name).run(options)


if __name__ == "__main__":
    run_and_leave(main)
