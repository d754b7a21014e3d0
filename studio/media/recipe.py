"""How this house writes H.264: the arguments, as plain values.

Every clip we make ourselves, drawn or re-encoded, has these, so that films are joined by copying.
"""

from fractions import Fraction

from studio.media.probe import ColourTags

BT709_LIMITED = ColourTags(range=1, matrix=1, primaries=1, transfer=1)

TIMESCALE = 90_000
"""Ticks per second: 24, 25, 30 and 60 frames per second all come out whole."""

_PROFILES = {"High": "high", "Main": "main", "Constrained Baseline": "baseline"}
"""H.264 profiles as libavcodec names them when reading, and what libx264 is told to write them."""


def can_write(codec: str, profile: str, pix_fmt: str) -> bool:
    """Whether `h264_options` can make a clip like this one."""
    return codec == "h264" and profile in _PROFILES and pix_fmt == "yuv420p"


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
        "bf": 0 if profile == "Constrained Baseline" else 2,
        "video_track_timescale": timescale,
        "movflags": "+faststart",
        **colour_options(colour),
    }
