"""Two ComfyUI servers with a worker each; videos whose clips are spread over them; in the middle of it one server is
killed while it renders and stays dead, and its worker lives on.

Counted from the servers' own ledgers: `ran_twice`, clips that were sent to a server more than once (at most the one
that the dead server was at). `seconds` is the whole time, `seconds_alone` the time that the other server needs by
itself for what it rendered after the kill: the difference is what a dead server costs. Its worker waits 20 s for it to
come back before it gives the clip up; with few clips left the videos wait for that."""

import argparse
import asyncio
import time
from collections import Counter
from typing import Any

from benchmarks.gpus import Gpu, gpu_video
from benchmarks.ground import Ground, Handle, ground, say, until

WORKERS = {"studio": "studio", "media": "media"}
DIES = "comfyui-2"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--jobs", type=int, default=40)
    parser.add_argument("--videos", "--films", type=int, default=4, help="that the jobs are the clips of")
    parser.add_argument("--gpu-seconds", type=float, default=2.0, help="per clip")
    parser.add_argument("--kill-after", type=int, default=12, help="finished clips")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    comfyui = {"prompt_seconds": options.gpu_seconds}
    async with ground(kie={}, speed=1, workers=WORKERS, settings={}, gpus=2, comfyui=comfyui) as here:
        gpus = [Gpu(here, name) for name in here.stack.comfyui]
        began = time.time()
        handles = await _start(here, options.jobs, options.videos)
        await until(lambda: _made(gpus), lambda made: made >= options.kill_after)
        dying = Gpu(here, DIES)
        await until(dying.prompts, lambda prompts: prompts[-1]["state"] == "running")
        dead = await dying.prompts()
        await here.stack.kill_comfyui(DIES)
        killed = time.time()
        say(f"{DIES} is dead after {killed - began:.1f} s and {len(dead)} clips")
        results = await asyncio.gather(*(handle.result() for handle in handles))
        ended = time.time()
        alive = [prompt for gpu in gpus if gpu.name != DIES for prompt in await gpu.prompts()]
    takes = Counter(prompt["prefix"].split("/")[1] for prompt in dead + alive)
    after = sum(prompt["ended"] > killed for prompt in alive)
    return {
        "jobs": options.jobs,
        "done": sum(clip.done for result in results for clip in result.clips),
        "ran_twice": sum(count > 1 for count in takes.values()),
        "by_server": {"killed": len(dead), "other": len(alive)},
        "seconds": round(ended - began, 1),
        "seconds_after_kill": round(ended - killed, 1),
        "seconds_alone": round(after * options.gpu_seconds, 1),
    }


async def _start(here: Ground, jobs: int, videos: int) -> list[Handle]:
    lengths = [jobs // videos + (number < jobs % videos) for number in range(videos)]
    requests = [await gpu_video(here, f"spread-{number}", clips=length) for number, length in enumerate(lengths)]
    return await asyncio.gather(*map(here.start, requests))


async def _made(gpus: list[Gpu]) -> int:
    prompts = [prompt for gpu in gpus for prompt in await gpu.prompts()]
    return sum(prompt["state"] == "success" for prompt in prompts)
