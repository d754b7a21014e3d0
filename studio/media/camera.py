"""Where the camera looks at a moment of a move: arithmetic only.

A move is a function of time from 0 to 1. Nothing is rounded to whole pixels here or later: whole pixels are what
makes ffmpeg's zoompan shake.
"""

import math
from dataclasses import dataclass

from studio.contracts.clip import CameraMove
from studio.errors import InvalidRequest

_SOFTNESS = 0.55
"""Share of the quintic in the ease: 0 would start with a jerk, 1 would stand still too long at both ends."""


@dataclass(frozen=True)
class View:
    """What the camera sees. Lengths are shares of the picture's width (x) and height (y); the centre is 0, 0."""

    zoom: float = 1.0
    """1 shows the whole picture, 2 half its width."""
    x: float = 0.0
    y: float = 0.0
    yaw: float | None = None
    """Turn around the upright axis, in radians; none for a camera that never turns."""
    parallax: float = 0.0
    """How far the nearest things (depth 1) are shifted against the pivot if that were at depth 0."""
    pivot: float = 0.0
    """Depth of the things that stay where they are, 0 (far) to 1 (near)."""


def ease(t: float) -> float:
    """0 to 1 for `t` from 0 to 1: a mix of the straight line and the quintic smootherstep (Perlin 2002)."""
    smooth = t * t * t * (t * (6 * t - 15) + 10)
    return (1 - _SOFTNESS) * t + _SOFTNESS * smooth


def view(move: CameraMove, strength: float, t: float) -> View:
    """The camera at `t` (0: first frame, 1: last frame) of a move of `strength` 0 (no move) to 1 (the most).

    Pan and truck zoom in just so far that the view stays inside the picture. Zooms are exponential: the picture
    grows by the same factor in each moment, which looks even. Raises `InvalidRequest` for a strength or a `t`
    that is not between 0 and 1.
    """
    if not (0 <= strength <= 1 and 0 <= t <= 1):
        raise InvalidRequest(f"strength {strength:g} and time {t:g} of a camera move have to be from 0 to 1")
    e, s = ease(t), strength
    match move:
        case CameraMove.STATIC:
            return View()
        case CameraMove.PAN_LEFT:
            return View(zoom=1 / (1 - 0.20 * s), x=(0.5 - e) * 0.20 * s)
        case CameraMove.PAN_RIGHT:
            return View(zoom=1 / (1 - 0.20 * s), x=(e - 0.5) * 0.20 * s)
        case CameraMove.ZOOM_IN:
            return View(zoom=(1 + 0.40 * s) ** e)
        case CameraMove.ZOOM_OUT:
            return View(zoom=(1 + 0.40 * s) ** (1 - e))
        case CameraMove.TRUCK:
            return View(zoom=1 / (1 - 0.12 * s), x=(e - 0.5) * 0.05 * s, parallax=(e - 0.5) * 0.07 * s)
        case CameraMove.ORBIT:
            yaw = (e - 0.5) * math.radians(7) * s
            return View(zoom=1 / (1 - 0.11 * s), yaw=yaw, parallax=(e - 0.5) * 0.06 * s, pivot=0.55)
