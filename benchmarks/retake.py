"""A video of 20 clips of 1920x1080: one prompt is changed (how many orders did that cost?), then the older take is
chosen again: how many seconds passed until the new video was there, from the start of its workflow, and from the
command `video choose --wait` a person types. Medians over the rounds, which choose one take and the other in turn."""

import argparse
import asyncio
import statistics
import sys
import time
from typing import Any

from PIL import Image

from benchmarks.ground import Ground, ground, say
from local.stack import ROOT
from studio.contracts.clip import ClipId
from studio.contracts.video import VideoRequest, VideoResult
from studio.objects import keys

SIZE = (1_920, 1_080)
CHANGED = 7
VIDEO = "retake"


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=6)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    kie = {"duration": [1, 1], "placeholder_size": list(SIZE)}
    settings = {"KLING_SLOTS": str(options.clips)}
    async with ground(kie=kie, speed=1, workers={"only": "studio,kling,media"}, settings=settings) as here:
        request = await _request(here, options.clips)
        first = await (await here.start(request)).result()
        before = await _billed(here)
        second = await (await here.start(_changed(request, prompt="Another thing moves. Slow pan left."))).result()
        submissions = await _billed(here) - before
        say(f"one prompt changed: {submissions} submissions, {second.summary}")
        started, typed = await _choose(here, request, (first, second), options.rounds)
        return {
            "clips": options.clips,
            "submissions": submissions,
            "seconds_to_new_film": round(statistics.median(started), 2),
            "seconds_from_command": round(statistics.median(typed), 2),
            "rounds": options.rounds,
            "submissions_of_choosing": await _billed(here) - before - submissions,
        }


async def _choose(
    here: Ground, request: VideoRequest, videos: tuple[VideoResult, VideoResult], rounds: int
) -> tuple[list[float], list[float]]:
    takes = [str(video.clips[CHANGED - 1].take) for video in videos]
    started, typed = [], []
    for number in range(rounds):
        take = takes[number % 2]
        began = time.monotonic()
        result = await (await here.start(_changed(request, take=take))).result()
        started.append(time.monotonic() - began)
        assert result.clips[CHANGED - 1].take == take
        began = time.monotonic()
        await _type(here, "video", "choose", f"bench/{VIDEO}", str(CHANGED), takes[(number + 1) % 2][:12], "--wait")
        typed.append(time.monotonic() - began)
        say(f"round {number + 1}: {started[-1]:.2f} s, by command {typed[-1]:.2f} s")
    return started, typed


async def _type(here: Ground, *words: str) -> None:
    argv = [sys.executable, ROOT / "starter.py", *words, "--json", "--data", here.stack.data]
    command = await asyncio.create_subprocess_exec(*map(str, argv), stdout=asyncio.subprocess.DEVNULL)
    assert await command.wait() == 0, words


async def _billed(here: Ground) -> int:
    return int((await here.ledger("counters"))["counters"]["billed"])


def _changed(request: VideoRequest, **changes: Any) -> VideoRequest:
    clips = [clip.model_copy(update=changes) if clip.number == CHANGED else clip for clip in request.clips]
    return request.model_copy(update={"clips": clips})


async def _request(here: Ground, clips: int) -> VideoRequest:
    """A video whose stills are as large as its clips, all different files."""
    video = await here.video(VIDEO, clips=clips, width=SIZE[0], height=SIZE[1])
    path = here.folder / "large.png"
    made = []
    for clip in video.clips:
        Image.effect_noise((96, 54), 60 + clip.number).convert("RGB").resize(SIZE).save(path, compress_level=1)
        key = keys.still_key(ClipId(channel=video.channel, video_id=video.video_id, number=clip.number), "image/png")
        made.append(clip.model_copy(update={"still": await here.objects.put(path, key, "image/png")}))
    return video.model_copy(update={"clips": made})
