"""One clip, brought to the format of the video it joins."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from studio.media import _ffmpeg
from studio.media._part import written_whole
from studio.media.probe import MediaInfo, probe
from studio.media.recipe import h264_options, own_format

_SAME_SHAPE = 0.025
"""Clips whose shape differs by less are stretched: nobody sees it, and bars of a few pixels everybody does."""

_SCALE_FLAGS = "lanczos+accurate_rnd+full_chroma_int+full_chroma_inp"
"""Without the last three swscale rounds colours down, about one level each time."""

_FPS = (10, 60)
"""Frames per second that a conformed clip may keep; a rate outside becomes `_USUAL_FPS`."""
_USUAL_FPS = Fraction(24)

_UNKNOWN_MATRIX = 2
_BT709_MATRIX = 1


Filter = tuple[str, dict[str, str | int]]
"""An ffmpeg filter's name and options."""


async def conform(clip: Path, target: Path, house: MediaInfo, *, on_frame: Callable[[int], None] | None = None) -> None:
    """Re-encode `clip` into `target` with the size, rate, time base, profile and colours of `house`, without sound.

    A clip of another shape is shown whole, between bars; one that a tag turns is shown upright, an interlaced one is
    deinterlaced (bwdif), and high dynamic range is tone-mapped to BT.709 (hable). Raises `BadClip` when it is no
    video, `FfmpegFailed`.
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
    wanted = replace(
        own_format(info, width=width, height=height, fps=_usual_fps(info)), sample_aspect_ratio=Fraction(1)
    )
    await conform(clip, target, wanted, on_frame=on_frame)
    return await asyncio.to_thread(probe, target)


def _usual_fps(info: MediaInfo) -> Fraction:
    return info.fps if _FPS[0] <= info.fps <= _FPS[1] else _USUAL_FPS


def conform_arguments(clip: Path, info: MediaInfo, target: Path, house: MediaInfo) -> list[str]:
    """The ffmpeg command of `conform`, for a clip that is `info`."""
    video = _ffmpeg.picture_of(clip)
    for name, options in conform_filters(info, house):
        video = video.filter(name, **options)
    output = video.output(str(target), **written_as(house))
    argv: list[str] = output.compile(cmd=_ffmpeg.binary())
    return argv


def written_as(house: MediaInfo) -> dict[str, str | int]:
    """The output options of a clip in the format of `house`."""
    return h264_options(
        house.fps,
        profile=house.profile,
        timescale=int(1 / house.time_base),
        colour=house.colour,
        reorder=house.reorder,
    )


def conform_filters(info: MediaInfo, house: MediaInfo) -> list[Filter]:
    """The filters in their order, as names and options."""
    scale: dict[str, str | int] = {"w": house.width, "h": house.height, "flags": _SCALE_FLAGS}
    if not _same_shape(info, house):
        scale["force_original_aspect_ratio"] = "decrease"
        scale["force_divisible_by"] = 2
    if house.colour.matrix == _BT709_MATRIX:
        scale["out_color_matrix"] = "bt709"
        if info.colour.matrix == _UNKNOWN_MATRIX or _needs_mapping(info):
            scale["in_color_matrix"] = "bt709"  # as everywhere in Longtake, not swscale's BT.601
    scale["out_range"] = "full" if house.colour.range == 2 else "limited"
    filters: list[Filter] = [("bwdif", {"mode": "send_frame"})] if info.interlaced else []
    filters += [("setpts", {"expr": "PTS-STARTPTS"}), ("fps", {"fps": str(house.fps)})]
    if _needs_mapping(info):
        filters += _to_bt709(info)
    filters.append(("scale", scale))
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


def _needs_mapping(info: MediaInfo) -> bool:
    return info.hdr or info.wide_gamut


def _to_bt709(info: MediaInfo) -> list[Filter]:
    """High dynamic range and wide gamut to BT.709, in linear light: ffmpeg's zscale and tonemap (hable).

    What the file does not say is taken to be BT.2020, as its transfer or primaries suggest.
    """
    tags = info.colour
    linear: dict[str, str | int] = {
        "transfer": "linear",
        "npl": 100,
        "transferin": _NAMED_TRANSFERS.get(tags.transfer, "709"),
        "primariesin": _NAMED_PRIMARIES.get(tags.primaries, "2020"),
        "matrixin": _NAMED_MATRICES.get(tags.matrix, "2020_ncl"),
        "rangein": "full" if tags.range == _FULL_RANGE else "limited",
    }
    mapped: list[Filter] = [("tonemap", {"tonemap": "hable", "desat": 0})] if info.hdr else []
    return [
        ("zscale", linear),
        ("format", {"pix_fmts": "gbrpf32le"}),
        ("zscale", {"primaries": "709"}),
        *mapped,
        ("zscale", {"transfer": "709", "matrix": "709", "range": "limited"}),
        ("format", {"pix_fmts": "yuv420p"}),
    ]


_FULL_RANGE = 2
_NAMED_TRANSFERS = {1: "709", 6: "601", 14: "2020_10", 15: "2020_12", 16: "smpte2084", 18: "arib-std-b67"}
_NAMED_PRIMARIES = {1: "709", 5: "470bg", 6: "170m", 9: "2020", 11: "smpte431", 12: "smpte432"}
_NAMED_MATRICES = {1: "709", 5: "470bg", 6: "170m", 9: "2020_ncl", 10: "2020_cl"}
"""H.273 code points as zscale names them."""


def _same_shape(info: MediaInfo, house: MediaInfo) -> bool:
    return house.shown_ratio > 0 and abs(info.shown_ratio / house.shown_ratio - 1) <= _SAME_SHAPE
