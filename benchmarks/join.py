"""Eighteen clips of ten seconds joined by stream copy, and by encoding everything anew, in one run: seconds, their
ratio, and whether every decoded frame of the copy is bit for bit that of the clips."""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.ground import say
from local.stack import ROOT
from studio.contracts.clip import CameraMove
from studio.media.animatic import render_clip
from studio.media.concat import encode_all, join
from studio.media.framehash import frame_hashes
from studio.media.stills import draw_still

MOVES = (
    CameraMove.ZOOM_IN,
    CameraMove.PAN_RIGHT,
    CameraMove.TRUCK,
    CameraMove.ZOOM_OUT,
    CameraMove.PAN_LEFT,
    CameraMove.STATIC,
)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=18)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    (ROOT / "data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "data") as folder:
        clips = await asyncio.to_thread(_clips, Path(folder), options)
        say(f"{len(clips)} clips are there; joining")
        copied, encoded = Path(folder) / "copied.mp4", Path(folder) / "encoded.mp4"
        began = time.perf_counter()
        await join(clips, copied)
        copy_seconds = time.perf_counter() - began
        began = time.perf_counter()
        await encode_all(clips, encoded)
        encode_seconds = time.perf_counter() - began
        say("comparing every frame")
        single = [digest for clip in clips for digest in await asyncio.to_thread(frame_hashes, clip)]
        identical = single == await asyncio.to_thread(frame_hashes, copied)
    return {
        "copy_seconds": round(copy_seconds, 2),
        "encode_seconds": round(encode_seconds, 2),
        "ratio": round(encode_seconds / copy_seconds, 1),
        "frames_identical": identical,
        "frames": len(single),
    }


def _clips(folder: Path, options: argparse.Namespace) -> list[Path]:
    """Six different clips, each used as often as it takes."""
    made = []
    for number, move in enumerate(MOVES[: options.clips]):
        still = folder / f"still_{number}.png"
        draw_still(f"A harbour at dawn {number}", seed=number, width=options.width, height=options.height).image.save(
            still
        )
        clip = folder / f"clip_{number}.mp4"
        size = {"width": options.width, "height": options.height}
        render_clip(still, clip, move=move, strength=0.5, seconds=options.seconds, **size)
        made.append(clip)
    return [made[number % len(made)] for number in range(options.clips)]
