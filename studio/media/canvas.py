"""The sheet a still is drawn on, and what every kind of place needs: sky, layers of land, light, finish."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from studio.media.noise import Dice, Floats
from studio.media.palette import Palette, Rgb


@dataclass
class Canvas:
    """A picture in progress: colours (height, width, 3), 0 to 255, and depth (height, width), 0 far to 1 near."""

    colours: Floats
    depth: Floats
    palette: Palette
    dice: Dice
    horizon: float
    """Row of the horizon."""
    sun: tuple[float, float]
    """Column and row of the sun or moon."""

    @property
    def height(self) -> int:
        return int(self.depth.shape[0])

    @property
    def width(self) -> int:
        return int(self.depth.shape[1])

    def rows(self, first: int = 0) -> Floats:
        return np.arange(first, self.height, dtype=np.float32)[:, None]

    def columns(self) -> Floats:
        return np.arange(self.width, dtype=np.float32)[None, :]


def blank(width: int, height: int, palette: Palette, dice: Dice) -> Canvas:
    horizon = height * dice.between(0.54, 0.62)
    column = width * dice.between(0.22, 0.78)
    row = horizon * (1 - palette.sun * dice.between(0.85, 1.15))
    shape = (height, width)
    colours, depth = np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)
    return Canvas(colours, depth, palette, dice, horizon, (column, row))


def colour(rgb: Rgb) -> Floats:
    return np.array(rgb, np.float32)


def mix(first: Floats, second: Floats, share: Floats | float) -> Floats:
    """`second` laid over `first` with `share` 0 to 1, given per pixel (height, width) or once."""
    weight = share[..., None] if isinstance(share, np.ndarray) and share.ndim == 2 else np.float32(share)
    return np.asarray(first + (second - first) * weight, np.float32)


def step(values: Floats, low: float, high: float) -> Floats:
    """0 below `low`, 1 above `high`, smooth between (smoothstep)."""
    share = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def draw_sky(canvas: Canvas) -> None:
    """Gradient, glow, clouds, and stars at night."""
    palette, rows, columns = canvas.palette, canvas.rows(), canvas.columns()
    fall = np.clip(rows / np.float32(canvas.horizon), 0, 1)
    canvas.colours[:] = mix(
        colour(palette.top), colour(palette.horizon), np.broadcast_to(fall**1.4, canvas.depth.shape)
    )
    if palette.night:
        _draw_stars(canvas)
    x, y = canvas.sun
    away = np.hypot(columns - x, rows - y) / canvas.height
    glow = 0.50 * np.exp(-away * 3.6) + 0.35 * np.exp(-away * 12)
    low = np.exp(-np.abs(rows - canvas.horizon) / (canvas.height * 0.10)) * np.exp(
        -np.abs(columns - x) / (canvas.width * 0.34)
    )
    canvas.colours[:] = mix(
        canvas.colours, colour(palette.light), np.asarray(np.clip(glow + 0.30 * low, 0, 1), np.float32)
    )
    radius = canvas.height * (0.034 if palette.night else 0.042)
    disc = np.clip((radius - away * canvas.height) / max(1.0, radius * 0.06) + 0.5, 0, 1)
    _draw_clouds(canvas, away, np.asarray(disc, np.float32))


def _draw_stars(canvas: Canvas) -> None:
    count = max(20, int(canvas.width * canvas.height / 4_000))
    where = canvas.dice.many(3, count)
    rows = (where[0] ** 1.3 * canvas.horizon).astype(np.int32)
    columns = np.minimum((where[1] * canvas.width).astype(np.int32), canvas.width - 1)
    canvas.colours[rows, columns] += (where[2] ** 4 * 190 + 14)[:, None]


def _draw_clouds(canvas: Canvas, away: Floats, disc: Floats) -> None:
    """Flat bands that become denser and flatter towards the horizon; bright where the sun is behind them."""
    palette, dice = canvas.palette, canvas.dice
    high = dice.field(canvas.height, canvas.width, 4, 9, 6)
    flat = dice.field(canvas.height, canvas.width, 3, 22, 5)
    towards = np.clip(canvas.rows() / np.float32(canvas.horizon), 0, 1)
    density = high * (1 - towards) + flat * towards
    cover = dice.between(0.47, 0.56)
    share = step(density, cover, cover + 0.20) * np.float32(0.50 if palette.night else 0.80) * (1 - 0.35 * towards)
    canvas.colours[:] = mix(canvas.colours, colour(palette.light), disc * (1 - 0.75 * share))
    # The sun side of a cloud: where it gets thinner towards the sun.
    lit = np.clip((density - np.roll(density, -max(1, canvas.height // 60), axis=0)) * 5 + 0.5, 0, 1)
    bright = mix(colour(palette.horizon), colour(palette.light), np.exp(-away * 2.0).astype(np.float32))
    dark = mix(colour(palette.top), colour(palette.horizon), 0.45)
    canvas.colours[:] = mix(
        canvas.colours, mix(np.broadcast_to(dark, bright.shape), bright, lit.astype(np.float32)), share
    )


def draw_land(canvas: Canvas, outline: Floats, body: Floats, *, depth: float, mist: float) -> None:
    """Everything below `outline` (a row per column), coloured `body` and fading into mist at its foot.

    `body` is (rows, width, 3) from the outline's highest row down, or one colour. `mist` 0 to 1 is how much haze
    lies at the foot, before the next layer: it is what separates the layers.
    """
    first = max(0, int(outline.min()) - 1)
    below = canvas.rows(first) - outline[None, :]
    inside = np.clip(below + 0.5, 0, 1)
    foot = step(below, 0, canvas.height * 0.26) * np.float32(mist)
    haze = mix(colour(canvas.palette.haze), colour(canvas.palette.light), _towards_sun(canvas) * 0.35)
    land = mix(np.broadcast_to(body, (*below.shape, 3)), np.broadcast_to(haze, (*below.shape, 3)), foot)
    canvas.colours[first:] = mix(canvas.colours[first:], land, inside)
    canvas.depth[first:][inside > 0.5] = depth


def _towards_sun(canvas: Canvas) -> Floats:
    return np.asarray(np.exp(-np.abs(canvas.columns() - canvas.sun[0]) / (canvas.width * 0.22)), np.float32)


def distance_colour(palette: Palette, nearness: float) -> Floats:
    """The colour of plain ground: haze far away, the near colour in front."""
    return mix(colour(palette.haze), colour(palette.near), 1 - (1 - nearness) ** 1.25)


def finish(canvas: Canvas) -> tuple[Image.Image, Image.Image]:
    """Vignette and grain (it also hides the steps in smooth skies), then eight bits."""
    rows, columns = canvas.rows() / canvas.height - 0.5, canvas.columns() / canvas.width - 0.5
    vignette = 1 - 0.62 * (rows**2 + columns**2) ** 1.15
    colours = canvas.colours * vignette[..., None] + canvas.dice.grain(canvas.height, canvas.width)[..., None] * 1.6
    picture = Image.fromarray(np.clip(colours, 0, 255).astype(np.uint8))
    depth = Image.fromarray((np.clip(canvas.depth, 0, 1) * 255).astype(np.uint8))
    return picture, depth
