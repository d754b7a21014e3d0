"""How this house writes H.264: the arguments, as plain values.

Every clip we make ourselves, drawn or re-encoded, has these, so that videos are joined by copying.
"""

from dataclasses import replace
from fractions import Fraction

from studio.media.probe import ColourTags, MediaInfo

BT709_LIMITED = ColourTags(range=1, matrix=1, primaries=1, transfer=1)

TIMESCALE = 90_000
"""Ticks per second: 24, 25, 30 and 60 frames per second all come out whole."""

PICTURE_ONLY: dict[str, str | int] = {"map_metadata": -1, "map_chapters": -1, "write_tmcd": 0}
"""Output options: no titles, comments, chapters or timecode of the source."""

_PROFILES = {"High": "high", "Main": "main", "Constrained Baseline": "baseline"}
"""H.264 profiles as libavcodec names them when reading, and what libx264 is told to write them."""


DEEPEST_REORDER = 2
"""Frames that x264 holds back at most: with B-frames that refer to each other (b-pyramid)."""


def can_write(info: MediaInfo) -> bool:
    """Whether `h264_options` can make a clip like this one: upright, progressive 8-bit H.264 of even size."""
    return (
        info.codec == "h264"
        and info.profile in _PROFILES
        and info.pix_fmt == "yuv420p"
        and info.reorder <= (0 if info.profile == "Constrained Baseline" else DEEPEST_REORDER)
        and not (info.width % 2 or info.height % 2)
        and not (info.turned or info.interlaced or info.hdr or info.wide_gamut)
    )


def timescale_for(fps: Fraction) -> int:
    """Our ticks per second, or the rate's own where frames would not come out whole: 23.976 and its like."""
    return TIMESCALE if (TIMESCALE / fps).denominator == 1 else fps.numerator


def own_format(info: MediaInfo, *, width: int, height: int, fps: Fraction) -> MediaInfo:
    """How a clip like this one is written by us: upright, progressive H.264 in BT.709, of even size."""
    return replace(
        info,
        codec="h264",
        profile="High",
        pix_fmt="yuv420p",
        width=max(2, width - width % 2),
        height=max(2, height - height % 2),
        sample_aspect_ratio=1 / info.sample_aspect_ratio if info.sideways else info.sample_aspect_ratio,
        fps=fps,
        time_base=Fraction(1, timescale_for(fps)),
        colour=BT709_LIMITED,
        reorder=DEEPEST_REORDER,
        turned=False,
        sideways=False,
        interlaced=False,
        streams=1,
    )


def colour_options(tags: ColourTags) -> dict[str, int]:
    """Colour tags as ffmpeg options; the same for raw input and for output. ffmpeg takes the numbers of H.273."""
    return {
        "color_range": tags.range,
        "colorspace": tags.matrix,
        "color_primaries": tags.primaries,
        "color_trc": tags.transfer,
    }


def h264_options(
    fps: Fraction | int,
    *,
    profile: str = "High",
    timescale: int = TIMESCALE,
    colour: ColourTags = BT709_LIMITED,
    reorder: int = DEEPEST_REORDER,
) -> dict[str, str | int]:
    """Output options of a clip: veryfast crf 18 is 85 frames/s at 1080p on two cores, 2.6 Mbit/s.

    A key frame every two seconds lets players and our own `last_frame` jump; the index is moved to the front
    (faststart), so that a browser plays while it loads.
    """
    return {
        "vcodec": "libx264",
        "preset": "veryfast",
        "crf": 18,
        "pix_fmt": "yuv420p",
        "profile:v": _PROFILES[profile],
        "g": max(1, round(2 * fps)),
        # One B-frame between two others: one frame is held back; two, of which one refers to the other: two.
        "bf": 0 if profile == "Constrained Baseline" else reorder,
        "video_track_timescale": timescale,
        "movflags": "+faststart",
        **PICTURE_ONLY,
        **colour_options(colour),
    }
