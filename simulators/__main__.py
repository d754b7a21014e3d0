"""`python -m simulators kie|catbox|notion|comfyui`: one simulator in a process of its own."""

import argparse
import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from simulators.admin import add_faults
from simulators.catbox import CatboxConfig, CatboxSimulator
from simulators.comfyui import ComfyConfig, ComfySimulator
from simulators.kie import KieConfig, KieSimulator
from simulators.notion import NotionConfig, NotionSimulator
from simulators.simulator import Simulator

FIELDS = {"key": "api_keys", "token": "tokens"}
"""Flags that may be given several times, and the field they fill."""


def main() -> None:
    given = vars(_parser().parse_args())
    name, faults = given.pop("simulator"), json.loads(given.pop("faults") or "{}")
    config = json.loads(given.pop("config") or "{}")
    config |= {FIELDS.get(flag, flag): value for flag, value in given.items() if value not in (None, False)}
    asyncio.run(_serve(_build(name, config), faults))


async def _serve(simulator: Simulator[Any], faults: dict[str, Any]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with simulator:
        if faults:
            add_faults(simulator, faults)
        ready = {"simulator": simulator.name, "pid": os.getpid(), **simulator.urls}
        print(json.dumps(ready), flush=True)
        await stop.wait()


def _build(name: str, config: dict[str, Any]) -> Simulator[Any]:
    match name:
        case "kie":
            return KieSimulator(KieConfig.model_validate(config))
        case "catbox":
            return CatboxSimulator(CatboxConfig.model_validate(config))
        case "comfyui":
            return ComfySimulator(ComfyConfig.model_validate(config))
        case _:
            return NotionSimulator(NotionConfig.model_validate(config))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m simulators", description=__doc__)
    kinds = parser.add_subparsers(dest="simulator", required=True)
    kie = _common(kinds.add_parser("kie", help="KIE.ai: api, upload host, result host"))
    for flag in ("--upload-port", "--files-port", "--workers"):
        kie.add_argument(flag, type=int)
    kie.add_argument("--clips", choices=("rendered", "placeholder"))
    kie.add_argument("--cache", type=Path, metavar="DIR")
    kie.add_argument("--credits", type=float)
    kie.add_argument("--key", action="append")
    kie.add_argument("--persist", action="store_true", help="keep a journal in --data and go on from it")
    catbox = _common(kinds.add_parser("catbox", help="catbox and litterbox"))
    for flag in ("--files-port", "--litter-port"):
        catbox.add_argument(flag, type=int)
    notion = _common(kinds.add_parser("notion", help="Notion pages"))
    notion.add_argument("--token", action="append")
    comfyui = _common(kinds.add_parser("comfyui", help="a ComfyUI server"))
    comfyui.add_argument("--generation", choices=("new", "middle", "old"), help="0.33.0, 0.8.1 or 0.3.64")
    comfyui.add_argument("--files", choices=("rendered", "placeholder"))
    comfyui.add_argument("--prompt-seconds", type=float, help="GPU seconds of every prompt")
    comfyui.add_argument("--workers", type=int)
    comfyui.add_argument("--cache", type=Path, metavar="DIR")
    comfyui.add_argument("--persist", action="store_true", help="keep the ledger in --data")
    return parser


def _common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--host")
    for flag in ("--port", "--admin-port", "--seed"):
        parser.add_argument(flag, type=int)
    parser.add_argument("--speed", type=float)
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--config", metavar="JSON", help="any field of the configuration")
    parser.add_argument("--faults", metavar="JSON", help="as for POST /__sim/faults")
    return parser


if __name__ == "__main__":
    main()
