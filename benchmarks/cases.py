"""Files of every kind that people, providers and strangers bring, through the parts of the product that meet them.

The folder has folders of its own. `clips` go through probe, the checks of a delivery, trim and join; `stills` through
the preflight of a video; `videos` (or `films`) through `video check`; `kie` (`c…`: answers to orders, `w…`: callbacks,
others: looks) and `comfy` (`h…`: histories, `p…`: answers to a prompt, `q…`: queues, `object_info…`, others: graphs)
through the clients; `temporal` starts videos on a dev server with workers, and sends every signal to one that waits.
Each file has a process of its own with limits on memory and time, or a video of its own. Prints a sentence for each.

`tracebacks`: errors that are none of ours, also a server error of the gateway; `hangs`: no end within `--seconds`;
`wedged`: workflow tasks that failed, or that never ended."""

import argparse
import asyncio
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.case_doors import DOORS, clips
from benchmarks.case_stack import at_stack
from benchmarks.ground import say
from benchmarks.isolated import Door, Outcome, run_isolated, start_server

NO_CASES = re.compile(r"^(EXPECTED|COMMANDS|README|FACTS|PYYAML_FACTS)\b|\.(md|bak)$")
OWN_FILES = {"films": (".yaml", ".yml"), "videos": (".yaml", ".yml")}
"""Folders in which only such files are cases; what else lies there belongs to them."""
TRIES = 2
"""A file that takes too long is tried again: the machine may have been busy."""


@dataclass(frozen=True)
class Case:
    """One file, or one folder of clips."""

    name: str
    path: Path
    door: Door | None
    """None: it goes to the stack."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dir", type=Path, required=True, help="the folder")
    parser.add_argument("--only", default="", help="folders, with commas; none: all")
    parser.add_argument("--seconds", type=float, default=10.0, help="after which a file counts as a hang")
    parser.add_argument("--megabytes", type=int, default=2_000, help="memory of a process")
    parser.add_argument("--at-once", type=int, default=max(1, (os.cpu_count() or 1)))


async def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run them all.

    Raises:
        SystemExit: the folder holds no case.
    """
    only = {name for name in options.only.split(",") if name}
    found = [case for case in _cases(options.dir) if not only or case.name.partition("/")[0] in only]
    if not found:
        raise SystemExit(f"{options.dir} holds no folder such as clips, stills, videos, kie, comfy or temporal")
    start_server("benchmarks.case_doors", "starter")
    outcomes: dict[str, Outcome] = {}
    turns = asyncio.Semaphore(options.at_once)

    async def one(case: Case, door: Door) -> None:
        async with turns:
            outcomes[case.name] = await asyncio.to_thread(_tried, door, case.path, options)
            say(f"{case.name}: {outcomes[case.name].sentence}")

    await asyncio.gather(*(one(case, case.door) for case in found if case.door is not None))
    late = {case.name: case.path for case in found if case.door is None}
    async for name, outcome in at_stack(late, seconds=options.seconds):
        outcomes[name] = outcome
        say(f"{name}: {outcome.sentence}")
    return _counted(outcomes)


def _cases(folder: Path) -> Iterator[Case]:
    for place in sorted(one for one in folder.iterdir() if one.is_dir()):
        if place.name in DOORS or place.name == "temporal":
            yield from _in_folder(place)


def _in_folder(place: Path) -> Iterator[Case]:
    endings = OWN_FILES.get(place.name)
    for path in sorted(place.iterdir()):
        name = f"{place.name}/{path.name}"
        if path.is_dir():
            if place.name == "clips":
                yield Case(name, path, clips)
        elif not path.is_file() and place.name in ("kie", "comfy", "temporal"):
            continue  # their content comes from the network: no devices and pipes
        elif not NO_CASES.search(path.name) and (endings is None or path.suffix in endings):
            callback = place.name == "kie" and path.name.startswith("w")
            yield Case(name, path, None if callback or place.name == "temporal" else DOORS[place.name])


def _tried(door: Door, path: Path, options: argparse.Namespace) -> Outcome:
    for _ in range(TRIES):
        outcome = run_isolated(door, path, seconds=options.seconds, megabytes=options.megabytes)
        if outcome.kind != "hang":
            break
    return outcome


def _counted(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    kinds = Counter(outcome.kind for outcome in outcomes.values())
    bad = {name: outcome.sentence for name, outcome in outcomes.items() if outcome.kind not in ("accepted", "refused")}
    return {
        "files": len(outcomes),
        "accepted": kinds["accepted"],
        "refused": kinds["refused"],
        "tracebacks": kinds["traceback"],
        "hangs": kinds["hang"],
        "wedged": kinds["wedged"],
        "bad": bad,
    }
