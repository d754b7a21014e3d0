"""A place indoors: a wall, a window with the world outside, a table, and a cup on it."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from studio.media.canvas import Canvas, colour, distance_colour, draw_land, mix, step
from studio.media.noise import Floats

_SMOOTH = 2
"""Shapes are drawn this much larger and made smaller, so that their edges are soft."""


def draw_interior(canvas: Canvas) -> None:
    """Expects the sky already there: with some hills it becomes the view from the window."""
    height, width = canvas.height, canvas.width
    for number, near in enumerate((0.15, 0.40, 0.65)):
        hills = canvas.horizon + height * (0.04 + 0.13 * number) - canvas.dice.line(width, 2.5, 6) * height * 0.10
        draw_land(canvas, hills, distance_colour(canvas.palette, near), depth=0, mist=0.7)
    shift = width * canvas.dice.between(-0.10, 0.10)
    window = tuple(int(v) for v in (width * 0.30 + shift, height * 0.08, width * 0.70 + shift, height * 0.60))
    left, top, right, bottom = window
    outside = Image.fromarray(np.clip(canvas.colours, 0, 255).astype(np.uint8))
    view = outside.resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BICUBIC)
    view = view.filter(ImageFilter.GaussianBlur(max(0.5, height / 400)))
    canvas.colours[:] = _wall(canvas, window)
    canvas.depth[:] = 0.35
    canvas.colours[top:bottom, left:right] = mix(np.asarray(view, np.float32), colour(canvas.palette.light), 0.12)
    canvas.depth[top:bottom, left:right] = 0.05
    _draw_frame(canvas, window)
    _draw_table(canvas, window)
    _draw_cup(canvas, window)
    _draw_beam(canvas, window)


def _wall(canvas: Canvas, window: tuple[int, ...]) -> Floats:
    palette, rows, columns = canvas.palette, canvas.rows(), canvas.columns()
    left, top, right, bottom = window
    beside = np.maximum(np.maximum(left - columns, columns - right), 0)
    above = np.maximum(np.maximum(top - rows, rows - bottom), 0)
    glow = np.exp(-np.hypot(beside, above) / (canvas.width * 0.20)).astype(np.float32)
    plaster = canvas.dice.field(canvas.height, canvas.width, 26, 15, 5) - 0.5
    base = mix(colour(palette.near), colour(palette.haze), 0.34)
    return mix(base * (1 + 0.10 * plaster)[..., None], colour(palette.light), glow * np.float32(0.42))


def _draw_frame(canvas: Canvas, window: tuple[int, ...]) -> None:
    left, top, right, bottom = window
    bar = max(1, round(canvas.width * 0.008))
    wood = mix(colour(canvas.palette.near), colour(canvas.palette.haze), 0.22)
    lit = mix(wood, colour(canvas.palette.light), 0.35)
    middle, cross = (left + right) // 2, top + int((bottom - top) * 0.42)
    bars = [
        (left - bar, top - bar, right + bar, top),
        (left - bar, bottom, right + bar, bottom + 2 * bar),
        (left - bar, top, left, bottom),
        (right, top, right + bar, bottom),
        (middle - bar // 2, top, middle - bar // 2 + bar, bottom),
        (left, cross, right, cross + bar),
    ]
    for x0, y0, x1, y1 in bars:
        rows, columns = slice(max(0, y0), max(0, y1)), slice(max(0, x0), max(0, x1))
        canvas.colours[rows, columns] = wood
        canvas.colours[max(0, y0) : max(0, y0) + max(1, bar // 5), columns] = lit
        canvas.depth[rows, columns] = 0.35


def _draw_table(canvas: Canvas, window: tuple[int, ...]) -> None:
    palette, height, width = canvas.palette, canvas.height, canvas.width
    edge = int(height * 0.72)
    rows = height - edge
    down = (np.arange(rows, dtype=np.float32) / rows)[:, None]
    # Boards seen from the front: grain lines that widen towards the viewer.
    wide = (canvas.columns() - width / 2) / (0.35 + 0.65 * down)
    knots = canvas.dice.field(rows, width, 5, 3, 4)
    grain = (
        np.sin(down * 36 + knots * 26 + wide / width * 2.4) * 0.05
        + (canvas.dice.field(rows, width, 3, 90, 3) - 0.5) * 0.16
    )
    wood = mix(mix(colour(palette.near), colour((128, 80, 50)), 0.60), colour(palette.haze), 0.12)
    board = wood * (1.25 - 0.55 * down + grain)[..., None]
    shine = np.exp(-np.abs(canvas.columns() - (window[0] + window[2]) / 2) / (width * 0.20)) * (1 - down) ** 1.5 * 0.50
    canvas.colours[edge:] = mix(board.astype(np.float32), colour(palette.light), shine.astype(np.float32))
    canvas.colours[edge : edge + max(1, height // 240)] *= 0.72
    canvas.depth[edge:] = 0.55 + 0.35 * down


def _draw_cup(canvas: Canvas, window: tuple[int, ...]) -> None:
    height, width = canvas.height, canvas.width
    middle = (window[0] + window[2]) / 2
    x, y = middle + width * canvas.dice.between(0.06, 0.14) * (1 if middle < width / 2 else -1), height * 0.86
    half, tall = height * 0.105, height * 0.165
    shadow = Image.new("L", (width, height))
    away = 1 if x > middle else -1
    ImageDraw.Draw(shadow).ellipse(
        (x - half * (1.5 - 0.5 * away), y - tall * 0.10, x + half * (1.5 + 0.5 * away), y + tall * 0.24), fill=150
    )
    dark = np.asarray(shadow.filter(ImageFilter.GaussianBlur(height / 90)), np.float32) / 255
    canvas.colours[:] = mix(canvas.colours, colour(canvas.palette.near) * 0.5, dark)
    cup = Image.new("RGBA", (width * _SMOOTH, height * _SMOOTH))
    _draw_cup_shapes(canvas, cup, x * _SMOOTH, y * _SMOOTH, half * _SMOOTH, tall * _SMOOTH)
    drawn = np.asarray(cup.resize((width, height), Image.Resampling.BOX), np.float32)
    round_ = np.clip(1.06 - 0.5 * np.abs((canvas.columns() - x) / half + 0.35 * away) ** 1.6, 0.55, 1.06)
    canvas.colours[:] = mix(canvas.colours, drawn[..., :3] * round_[..., None].astype(np.float32), drawn[..., 3] / 255)
    canvas.depth[drawn[..., 3] > 127] = 0.88
    _draw_steam(canvas, x, y - tall, half)


def _draw_cup_shapes(canvas: Canvas, cup: Image.Image, x: float, y: float, half: float, tall: float) -> None:
    pen = ImageDraw.Draw(cup)
    china = np.clip(mix(colour(canvas.palette.light), colour((240, 236, 228)), 0.5), 0, 255)
    body = (*(int(v) for v in china), 255)
    under, inside = (*(int(v * 0.84) for v in china), 255), (*(int(v * 0.70) for v in china), 255)

    def ellipse(middle: float, wide: float, high: float, fill: tuple[int, ...]) -> None:
        pen.ellipse((x - wide, middle - high, x + wide, middle + high), fill=fill)

    ellipse(y + tall * 0.03, half * 1.55, tall * 0.15, under)
    ellipse(y + tall * 0.01, half * 1.48, tall * 0.12, body)
    ellipse(y + tall * 0.01, half * 0.95, tall * 0.07, under)
    pen.ellipse(
        (x + half * 0.62, y - tall * 0.80, x + half * 1.42, y - tall * 0.22),
        outline=body,
        width=max(1, int(half * 0.15)),
    )
    # The side of the cup is a curve, not a straight line: narrow foot, round belly, open rim.
    side = [
        (half * (0.46 + 0.54 * math.sin(step_ / 24 * math.pi / 2) ** 0.7), y - tall * step_ / 24) for step_ in range(25)
    ]
    pen.polygon(
        [(x - reach, row) for reach, row in side] + [(x + reach, row) for reach, row in reversed(side)], fill=body
    )
    ellipse(y, half * 0.46, tall * 0.035, body)
    ellipse(y - tall, half, tall * 0.13, body)
    ellipse(y - tall, half * 0.92, tall * 0.105, inside)
    ellipse(y - tall * 0.985, half * 0.86, tall * 0.085, (62, 36, 24, 255))


def _draw_steam(canvas: Canvas, x: float, y: float, half: float) -> None:
    steam = Image.new("L", (canvas.width, canvas.height))
    pen = ImageDraw.Draw(steam)
    for strand in range(3):
        phase = canvas.dice.between(0, math.tau)
        points = [
            (
                x + (strand - 1) * half * 0.42 + math.sin(phase + part * 0.30) * half * (0.10 + 0.012 * part),
                y - part * canvas.height * 0.0085,
            )
            for part in range(30)
        ]
        pen.line(points, fill=120, width=max(1, round(half * 0.09)), joint="curve")
    soft = np.asarray(steam.filter(ImageFilter.GaussianBlur(max(0.5, half * 0.09))), np.float32) / 255
    fade = np.clip((canvas.rows() - (y - canvas.height * 0.25)) / (canvas.height * 0.20), 0, 1)
    canvas.colours[:] = mix(canvas.colours, colour(canvas.palette.light), (soft * fade * 0.75).astype(np.float32))


def _draw_beam(canvas: Canvas, window: tuple[int, ...]) -> None:
    """Light that falls in from the window, slanting, brightest at the sill."""
    left, top, right, bottom = window
    rows, columns = canvas.rows(), canvas.columns()
    slant = 0.55 if canvas.sun[0] < canvas.width / 2 else -0.55
    source = columns - slant * (rows - top)
    edge = canvas.width * 0.14
    inside = step(source, left, left + edge) * (1 - step(source, right - edge, right))
    fall = np.clip((rows - top) / (canvas.height * 0.3), 0, 1) * np.exp(
        -np.clip(rows - bottom, 0, None) / (canvas.height * 0.45)
    )
    share = inside * fall * (0.05 if canvas.palette.night else 0.14)
    canvas.colours[:] = mix(canvas.colours, colour(canvas.palette.light), share.astype(np.float32))
