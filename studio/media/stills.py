"""Stills without a model: a prompt becomes a picture by rule and by chance thrown from its own words.

For drafts, demonstrations and tests. The same prompt, style, seed and size give the same picture.
"""

from dataclasses import dataclass

from PIL import Image

from studio.errors import InvalidRequest
from studio.media.canvas import blank, draw_sky, finish
from studio.media.interior import draw_interior
from studio.media.noise import Dice
from studio.media.palette import kind_for, palette_for, words
from studio.media.scenery import draw_city, draw_dunes, draw_forest, draw_mountains, draw_water

STILLS_VERSION = "stills-1"
"""Part of the key of a cached still: change it whenever the same prompt would give another picture."""

_PLACES = {
    "mountains": draw_mountains,
    "forest": draw_forest,
    "city": draw_city,
    "water": draw_water,
    "dunes": draw_dunes,
    "interior": draw_interior,
}


@dataclass(frozen=True)
class Still:
    """A drawn picture."""

    image: Image.Image
    """RGB."""
    depth: Image.Image
    """Mode L, the same size: black is far, white is near. The camera moves by it."""
    kind: str
    """mountains, forest, city, water, dunes or interior."""


def draw_still(prompt: str, *, seed: int = 0, width: int = 1920, height: int = 1080, style: str = "") -> Still:
    """Draw a picture for `prompt`; another `seed` gives another picture of the same kind.

    Words choose colours (night, sunset, forest ...) and the place (mountain, city, kitchen ...); `style` counts as
    further words. Takes about a second at 1920x1080. Raises `InvalidRequest` for sizes below 16 pixels or above
    50 megapixels.
    """
    if width < 16 or height < 16 or width * height > 50_000_000:
        raise InvalidRequest(f"a still of {width}x{height} pixels cannot be drawn")
    said = words(f"{prompt} {style}")
    dice = Dice(STILLS_VERSION, prompt, style, seed)
    palette = palette_for(said, dice)
    kind = kind_for(said, dice)
    canvas = blank(width, height, palette, dice)
    draw_sky(canvas)
    _PLACES[kind](canvas)
    image, depth = finish(canvas)
    return Still(image, depth, kind)
