"""The shape of a video, written as people write it: `9:16` instead of a width and a height."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field

SHORT_SIDE = 1_080
"""Pixels of the shorter side of a video of which only the shape is given."""
LONGEST_SIDE = 4_096
_ASPECT = re.compile(r"([0-9]{1,4}(?:\.[0-9]{1,4})?):([0-9]{1,4}(?:\.[0-9]{1,4})?)")
_TOLERANCE = 0.02
"""How far a width and a height that are given as well may be from the shape: they have to be even."""


def _ensure_aspect(text: str) -> str:
    _ratio(text)
    return text


Aspect = Annotated[str, Field(max_length=20), AfterValidator(_ensure_aspect)]
"""Width to height: `16:9`, `9:16`, `1:1`, `2.39:1`."""


def _ratio(text: str) -> float:
    match = _ASPECT.fullmatch(text.strip())
    width, height = (float(side) for side in match.groups()) if match else (0.0, 0.0)
    if not width or not height:
        raise ValueError('must be width:height such as 16:9, 9:16 or 1:1, not "' + text + '"')
    ratio = width / height
    if max(ratio, 1 / ratio) > LONGEST_SIDE / SHORT_SIDE:
        raise ValueError(f"{text} is longer than {LONGEST_SIDE}:{SHORT_SIDE}")
    return ratio


def with_sides(values: Any) -> Any:
    """A request's fields with `width` and `height`, when `aspect` is given; what is wrong with it is left as it is.

    Raises:
        ValueError: width and height are given too, and have another shape.
    """
    aspect = values.get("aspect") if isinstance(values, dict) else None
    try:
        ratio = _ratio(aspect) if isinstance(aspect, str) else None
    except ValueError:
        return values
    if ratio is None:
        return values
    width, height = values.get("width"), values.get("height")
    if width is None and height is None:
        width, height = (SHORT_SIDE * ratio, SHORT_SIDE) if ratio >= 1 else (SHORT_SIDE, SHORT_SIDE / ratio)
    elif width is None and isinstance(height, (int, float)):
        width = height * ratio
    elif height is None and isinstance(width, (int, float)):
        height = width / ratio
    elif isinstance(width, (int, float)) and isinstance(height, (int, float)) and height:
        if abs(width / height / ratio - 1) > _TOLERANCE:
            raise ValueError(f"aspect {aspect} and {width}x{height} are two shapes: leave one of them away")
        return values
    else:
        return values
    return values | {"width": _even(width), "height": _even(height)}


def _even(side: float) -> int:
    return round(side / 2) * 2
