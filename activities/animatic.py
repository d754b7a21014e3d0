"""Clips drawn here, on the CPU: a still and a camera move. No network, no money."""

import asyncio
import threading
from pathlib import Path

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._scratch import scratch
from activities._stills import PreparedStills, WantedStill
from activities._take import store_take
from studio.contracts.clip import CameraMove, ClipFile, ClipToDraw, Framing
from studio.contracts.video import Provider
from studio.media.animatic import render_clip
from studio.media.verify import Ordered, verify_clip
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.prompts.camera import move_of

_log = structlog.get_logger()

SURELY_MOVING = 0.1
"""A weaker move of a plain picture cannot be told from a picture that stands still."""


class AnimaticActivities:
    """The local renderer, on the queue `media`."""

    def __init__(self, objects: ObjectStore, *, work_dir: Path) -> None:
        self._objects = objects
        self._work_dir = work_dir
        self._stills = PreparedStills(objects, work_dir=work_dir)

    @activity.defn
    async def draw_clip(self, clip: ClipToDraw) -> ClipFile:
        """Render the clip and check it like one that was bought.

        Raises:
            InvalidRequest: the still is another channel's.
            BadStill: the still cannot be used.
        """
        keys.ensure_of_channel(clip.clip.channel, clip)
        move = clip.camera or move_of(clip.prompt)
        async with beating():
            with scratch(self._work_dir) as folder:
                picture = await self._stills.of(_wanted(clip))
                still = await self._objects.fetch(picture, folder / "still")
                path = folder / f"{clip.clip.name}.mp4"
                await _render(still, path, clip, move)
                ordered = Ordered(
                    seconds=clip.seconds,
                    width=clip.width,
                    height=clip.height,
                    moving=move is not CameraMove.STATIC and clip.strength >= SURELY_MOVING,
                )
                info = await asyncio.to_thread(verify_clip, path, ordered)
                place = keys.clip_key(clip.clip)
                file = await store_take(self._objects, clip.clip.channel, clip.take, path, info, place=place)
        _log.info("clip.drawn", key=file.media.key, size_bytes=file.media.size, camera=move)
        return file


def _wanted(clip: ClipToDraw) -> WantedStill:
    framing = Framing(width=clip.width, height=clip.height, fit=clip.fit)
    return WantedStill(clip.clip.channel, clip.still, Provider.ANIMATIC, framing)


async def _render(still: Path, target: Path, clip: ClipToDraw, move: CameraMove) -> None:
    """Render in a thread; when the activity is cancelled the thread is stopped before its folder goes."""
    stop = threading.Event()
    rendering = asyncio.create_task(
        asyncio.to_thread(
            render_clip,
            still,
            target,
            move=move,
            strength=clip.strength,
            seconds=clip.seconds,
            width=clip.width,
            height=clip.height,
            stop=stop,
        )
    )
    try:
        await asyncio.shield(rendering)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([rendering])
        raise
