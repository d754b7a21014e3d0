"""One clip, brought to the format of the film it joins."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import ffmpeg

from studio.media import _ffmpeg
from studio.media._part import written_whole
from studio.media.probe import MediaInfo, probe
from studio.media.recipe import BT709_LIMITED, TIMESCALE, h264_options

_SAME_SHAPE = 0.025
"""Clips whose shape differs by less are stretched: nobody sees it, and bars of a few pixels everybody does."""

_SCALE_FLAGS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
"""Without the last three swscale rounds colours down, about one level each time."""

_FPS = (10, 60)
"""Frames per second that a conformed clip may keep; a rate outside becomes `_USUAL_FPS`."""
_USUAL_FPS = Fraction(24)

_UNKNOWN_MATRIX = 2
_BT709_MATRIX = 1


async def conform(clip: Path, target: Path, house: MediaInfo, *, on_frame: Callable[[int], None] | None = None) -> None:
    """Re-encode `clip` into `target` with the size, rate, time base, profile and colours of `house`, without sound.

    A clip of another shape is shown whole, between bars. Raises `BadClip` when it is no video, `FfmpegFailed`.
    """
    info = probe(clip)
    with written_whole(target) as part:
        await _ffmpeg.run(conform_arguments(clip, info, part, house), on_frame=on_frame)


async def conform_to(
    clip: Path, target: Path, *, width: int, height: int, on_frame: Callable[[int], None] | None = None
) -> MediaInfo:
    """Re-encode a clip of any decodable codec and size as H.264 of this size, as our own renderers write it.

    Its frame rate is kept where it is usual; sound is not kept. Returns what was written. Raises `BadClip` when the
    clip cannot be read, `FfmpegFailed`.
    """
    info = await asyncio.to_thread(probe, clip)
    await conform(clip, target, _house_of(info, width, height), on_frame=on_frame)
    return await asyncio.to_thread(probe, target)


def _house_of(info: MediaInfo, width: int, height: int) -> MediaInfo:
    fps = info.fps if _FPS[0] <= info.fps <= _FPS[1] else _USUAL_FPS
    return replace(
        info,
        codec="h264",
        profile="High",
        pix_fmt="yuv420p",
        width=width - width % 2,
        height=height - height % 2,
        sample_aspect_ratio=Fraction(1),
        fps=fps,
        time_base=Fraction(1, TIMESCALE if (TIMESCALE / fps).denominator == 1 else fps.numerator),
        colour=BT709_LIMITED,
    )


def conform_arguments(clip: Path, info: MediaInfo, target: Path, house: MediaInfo) -> list[str]:
    """The ffmpeg command of `conform`, for a clip that is `info`."""
    video = ffmpeg.input(str(clip))["v:0"]
    for name, options in conform_filters(info, house):
        video = video.filter(name, **options)
    output = video.output(
        str(target),
        **h264_options(house.fps, profile=house.profile, timescale=int(1 / house.time_base), colour=house.colour),
    )
    argv: list[str] = output.compile(cmd=_ffmpeg.binary())
    return argv


def conform_filters(info: MediaInfo, house: MediaInfo) -> list[tuple[str, dict[str, str | int]]]:
    """The filters in their order, as names and options."""
    scale: dict[str, str | int] = {"w": house.width, "h": house.height, "flags": _SCALE_FLAGS}
    if not _same_shape(info, house):
        scale["force_original_aspect_ratio"] = "decrease"
        scale["force_divisible_by"] = 2
    if house.colour.matrix == _BT709_MATRIX:
        scale["out_color_matrix"] = "bt709"
        if info.colour.matrix == _UNKNOWN_MATRIX:
            scale["in_color_matrix"] = "bt709"  # as everywhere in the house, not swscale's BT.601
    scale["out_range"] = "full" if house.colour.range == 2 else "limited"
    filters: list[tuple[str, dict[str, str | int]]] = [
        ("setpts", {"expr": "PTS-STARTPTS"}),
        ("fps", {"fps": str(house.fps)}),
        ("scale", scale),
    ]
    if not _same_shape(info, house):
        filters.append(("pad", {"w": house.width, "h": house.height, "x": "-1", "y": "-1"}))
    ratio = house.sample_aspect_ratio
    filters.append(("setsar", {"sar": f"{ratio.numerator}/{ratio.denominator}"}))
    filters.append(
        (
            # The numbers of H.273. Encoders take the tags from the frames, not from their own options.
            "setparams",
            {
                "range": house.colour.range,
                "colorspace": house.colour.matrix,
                "color_primaries": house.colour.primaries,
                "color_trc": house.colour.transfer,
            },
        )
    )
    return filters


def _same_shape(info: MediaInfo, house: MediaInfo) -> bool:
    shapes = [float(one.width * one.sample_aspect_ratio / one.height) if one.height else 0.0 for one in (info, house)]
    return shapes[1] > 0 and abs(shapes[0] / shapes[1] - 1) <= _SAME_SHAPE
