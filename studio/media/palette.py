"""What the words of a prompt say about colours and about the kind of place."""

import colorsys
import re
from collections.abc import Collection
from dataclasses import dataclass

from studio.media.noise import Dice

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Palette:
    """Five colours, 0 to 255, from which a whole picture is mixed."""

    top: Rgb
    """The sky overhead."""
    horizon: Rgb
    haze: Rgb
    """What far things fade into."""
    near: Rgb
    """The darkest foreground."""
    light: Rgb
    """Sun, moon, lamps."""
    sun: float = 0.45
    """Height of the sun or moon: 0 at the horizon, 1 at the upper edge."""

    @property
    def night(self) -> bool:
        return sum(self.top) < 120


_TIMES: tuple[tuple[str, Palette], ...] = (
    (
        "night moon moonlight dark midnight star space nocturnal noir",
        Palette((7, 11, 34), (44, 62, 112), (46, 62, 104), (5, 8, 20), (226, 233, 255), 0.62),
    ),
    (
        "sunset dusk evening autumn twilight golden",
        Palette((44, 42, 104), (255, 138, 82), (214, 112, 96), (30, 18, 38), (255, 222, 160), 0.10),
    ),
    (
        "morning sunrise dawn breakfast coffee warm cosy cozy",
        Palette((82, 118, 172), (255, 206, 150), (236, 186, 152), (52, 38, 44), (255, 240, 200), 0.24),
    ),
)

_CLIMES: tuple[tuple[str, Palette], ...] = (
    (
        "snow snowy winter ice icy mountain alps cold glacier",
        Palette((66, 118, 182), (214, 230, 244), (188, 208, 230), (34, 50, 78), (255, 253, 244), 0.55),
    ),
    (
        "forest jungle tree wood green spring meadow garden park",
        Palette((112, 172, 196), (234, 240, 206), (182, 210, 180), (14, 40, 30), (255, 250, 214), 0.34),
    ),
    (
        "desert sand dune canyon summer hot dry",
        Palette((62, 128, 190), (250, 218, 164), (236, 190, 134), (96, 48, 24), (255, 246, 214), 0.50),
    ),
    (
        "ocean sea beach water river lake blue wave harbor harbour",
        Palette((38, 108, 178), (198, 230, 240), (152, 198, 216), (10, 48, 72), (255, 252, 232), 0.42),
    ),
    (
        "city street building office urban rain storm traffic",
        Palette((52, 74, 112), (220, 188, 170), (150, 148, 164), (22, 26, 38), (255, 226, 170), 0.16),
    ),
)

_KINDS: tuple[tuple[str, str], ...] = (
    ("interior", "kitchen room table desk interior home cafe coffee cup tea product brand studio shop store"),
    ("city", "city street building office urban skyline downtown traffic"),
    ("water", "ocean sea beach lake river water harbor harbour wave boat ship island"),
    ("mountains", "mountain peak alps summit hill cliff valley snow snowy glacier"),
    ("forest", "forest jungle tree wood garden park meadow"),
    ("dunes", "desert dune sand canyon"),
)

_ANYWHERE = ("mountains", "water", "forest", "dunes")


def words(text: str) -> list[str]:
    """The words of a text, in small letters; English plurals also as singulars."""
    found = re.findall(r"[a-z]+", text.lower())
    return found + [word[:-1] for word in found if word.endswith("s") and len(word) > 3]


def palette_for(said: Collection[str], dice: Dice) -> Palette:
    """The palette of the time of day that is named, else of the place; a thrown harmony when neither is."""
    thrown = _thrown_palette(dice)
    for some in (_TIMES, _CLIMES):
        matches = [sum(word in said for word in keys.split()) for keys, _ in some]
        if max(matches):
            return some[matches.index(max(matches))][1]
    return thrown


def _thrown_palette(dice: Dice) -> Palette:
    # Skies from teal to violet over a warm or a pale horizon: the hues in which skies look like skies.
    sky = dice.between(0.50, 0.80)
    glow = dice.between(0.0, 0.13) if dice.below(3) else sky - 0.06
    return Palette(
        top=_mixed(sky, 0.60, 0.50),
        horizon=_mixed(glow, 0.36, 0.96),
        haze=_mixed((sky + 2 * glow) / 3 if glow > 0.2 else glow - 0.03, 0.26, 0.82),
        near=_mixed(sky + 0.03, 0.52, 0.17),
        light=_mixed(0.12, 0.14, 1.0),
        sun=dice.between(0.08, 0.5),
    )


def kind_for(said: Collection[str], dice: Dice) -> str:
    """The kind of place the words name first in our order; a thrown landscape when they name none."""
    anywhere = _ANYWHERE[dice.below(len(_ANYWHERE))]
    return next((kind for kind, keys in _KINDS if any(word in said for word in keys.split())), anywhere)


def _mixed(hue: float, saturation: float, value: float) -> Rgb:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return red * 255, green * 255, blue * 255
