"""A clip cut to its frame count: models render in their own steps, speech ends where it ends."""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from studio.errors import BadClip, FfmpegFailed
from studio.media import _ffmpeg
from studio.media._part import written_whole
from studio.media.conform import conform_filters, written_as
from studio.media.probe import MediaInfo, probe
from studio.media.recipe import can_write, own_format


async def trim_clip(
    clip: Path, target: Path, frames: int, *, on_frame: Callable[[int], None] | None = None
) -> MediaInfo:
    """Write the first `frames` frames of `clip` to `target`, as the house writes H.264 and without sound.

    A silent clip that has just these frames is copied byte for byte; any other is encoded again, since frames refer
    to later ones and cannot be left out. Raises `BadClip` when the clip is no video or too short, `FfmpegFailed`.
    """
    info = await asyncio.to_thread(probe, clip)
    if frames < 1 or info.frames < frames:
        raise BadClip(f"{clip.name}: it has {info.frames} frames, {frames} are asked for")
    if not info.fps:
        raise BadClip(f"{clip.name}: it does not say how many frames a second has")
    with written_whole(target) as part:
        if _is_it_already(info, frames):
            await asyncio.to_thread(shutil.copyfile, clip, part)
        else:
            await _ffmpeg.run(trim_arguments(clip, info, part, frames), on_frame=on_frame)
        written = await asyncio.to_thread(probe, part)
        if written.frames != frames:
            raise FfmpegFailed(f"{clip.name} was cut to {written.frames} frames instead of {frames}")
    return written


def trim_arguments(clip: Path, info: MediaInfo, target: Path, frames: int) -> list[str]:
    """The ffmpeg command of `trim_clip`, for a clip that is `info`. Rate and colours stay; odd sides lose a pixel."""
    written = _as_written(info)
    video = _ffmpeg.picture_of(clip)
    for name, values in conform_filters(info, written):
        video = video.filter(name, **values)
    video = video.filter("trim", end_frame=frames)
    output = video.output(str(target), **written_as(written))
    argv: list[str] = output.compile(cmd=_ffmpeg.binary())
    return argv


def _as_written(info: MediaInfo) -> MediaInfo:
    """The clip's own size, rate and colours, as far as we write them: upright, even sides, no high dynamic range."""
    ours = own_format(info, width=info.shown_width, height=info.shown_height, fps=info.fps)
    return ours if info.hdr or info.wide_gamut else replace(ours, colour=info.colour)


def _is_it_already(info: MediaInfo, frames: int) -> bool:
    return can_write(info) and info.frames == frames and info.streams == 1 and not info.hidden
