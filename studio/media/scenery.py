"""Places out of doors: mountains, forest, city, water, dunes. Each draws itself on a canvas with a sky."""

import numpy as np

from studio.media.canvas import Canvas, colour, distance_colour, draw_land, mix, step
from studio.media.noise import Floats


def draw_mountains(canvas: Canvas) -> None:
    """Ridges one behind the other, sun on one side of every slope, snow on the high ones, firs in front."""
    palette, dice, height, width = canvas.palette, canvas.dice, canvas.height, canvas.width
    layers = 4
    for number in range(layers):
        near = (number + 1) / layers
        base = canvas.horizon - height * 0.10 * (1 - near) + (height - canvas.horizon) * near**1.5 * 0.72
        tall = height * (0.34 - 0.26 * near) * dice.between(0.85, 1.2)
        ridge = 1 - 2 * np.abs(dice.line(width, 2.2 + 2.5 * near, 8, 0.47))
        outline = (base - (ridge * 0.5 + 0.5) * tall).astype(np.float32)
        first = max(0, int(outline.min()) - 1)
        below = canvas.rows(first) - outline[None, :]
        relief = _relief(canvas, below.shape[0], 9 + 6 * near)
        ground = mix(distance_colour(palette, near * 0.92), colour(palette.light), relief * (0.42 - 0.25 * near))
        rough = dice.field(below.shape[0], width, 30, 20, 3) - 0.5
        snow = step(height * 0.085 + rough * height * 0.16 - below, 0, height * 0.03) * step(relief, 0.25, 0.6)
        white = mix(colour(palette.haze), colour((250, 252, 255)), 0.25 if palette.night else 0.75)
        ground = mix(ground, np.broadcast_to(white, ground.shape), snow * np.float32(max(0.0, 0.85 - 0.95 * near)))
        draw_land(canvas, outline, ground, depth=0.10 + 0.7 * near, mist=0.75 * (1 - 0.8 * near))
    meadow = (height * 0.985 - dice.line(width, 3, 4) * height * 0.05).astype(np.float32)
    draw_land(canvas, _firs(canvas, meadow, 1.1), distance_colour(palette, 0.97), depth=0.95, mist=0)


def _relief(canvas: Canvas, rows: int, blobs: float) -> Floats:
    """Light on a slope, 0 to 1: how much the ground rises towards the sun."""
    ground = canvas.dice.field(rows, canvas.width, blobs, blobs * rows / canvas.width * 1.6, 6)
    side = 1 if canvas.sun[0] > canvas.width / 2 else -1
    reach = max(1, canvas.width // 240)
    slope = (np.roll(ground, side * reach, axis=1) - ground) + 0.5 * (np.roll(ground, reach, axis=0) - ground)
    return np.asarray(np.clip(slope * 7 + 0.45, 0, 1), np.float32)


def draw_forest(canvas: Canvas) -> None:
    """Firs in the mist, taller and darker the nearer they are."""
    palette, dice, height, width = canvas.palette, canvas.dice, canvas.height, canvas.width
    layers = 6
    for number in range(layers):
        near = (number + 1) / layers
        base = canvas.horizon - height * 0.05 * (1 - near) + (height - canvas.horizon) * near**1.5 * 0.70
        ground = base - dice.line(width, 1.5 + 2 * near, 4) * height * 0.05
        outline = _firs(canvas, ground.astype(np.float32), near) if number else ground
        draw_land(
            canvas,
            outline.astype(np.float32),
            distance_colour(palette, near**1.2),
            depth=0.15 + 0.8 * near,
            mist=0.80 * (1 - near**1.5),
        )
    _draw_shafts(canvas)


def _firs(canvas: Canvas, ground: Floats, near: float) -> Floats:
    """The ground's outline with trees on it: cones whose branches hang in steps."""
    dice, width = canvas.dice, canvas.width
    outline = ground.copy()
    centre = 0.0
    while centre < width * 1.02:
        half = max(1.5, width * dice.between(0.006, 0.015) * (0.5 + 1.5 * near))
        tall = half * dice.between(3.0, 5.2)
        left, right = max(0, int(centre - half)), min(width, int(centre + half) + 1)
        if right > left:
            out = np.abs(np.arange(left, right) - centre) / half
            branches = 0.13 * ((out * 6 + dice.between(0, 1)) % 1)
            crown = np.clip(1 - out**0.85 - branches, 0, 1) * tall
            foot = ground[min(width - 1, max(0, int(centre)))] + half * 0.3
            outline[left:right] = np.minimum(outline[left:right], foot - crown)
        centre += half * dice.between(0.7, 1.9)
    return outline


def _draw_shafts(canvas: Canvas) -> None:
    """Sunlight in the mist, falling from the sun in widening rays."""
    x, y = canvas.sun
    angle = np.arctan2(canvas.columns() - x, np.abs(canvas.rows() - y) + canvas.height * 0.05)
    rays = canvas.dice.line(2_048, 26, 3)
    place = ((angle / np.pi + 0.5) * 2_047).astype(np.int32)
    away = np.hypot(canvas.columns() - x, canvas.rows() - y) / canvas.height
    share = np.clip(rays[place] * 1.6, 0, 1) * np.exp(-away * 2.2) * (0.16 if canvas.palette.night else 0.34)
    canvas.colours[:] = mix(canvas.colours, colour(canvas.palette.light), share.astype(np.float32))


def draw_city(canvas: Canvas) -> None:
    """Skylines, one behind the other, with lit windows and the glow of the streets between them."""
    palette, dice, height = canvas.palette, canvas.dice, canvas.height
    layers = 5
    for number in range(layers):
        near = (number + 1) / layers
        base = canvas.horizon + (height - canvas.horizon) * near**1.6 * 0.78
        outline, building = _skyline(canvas, base, near)
        tone = 1 + (dice.many(int(building.max()) + 1)[building] - 0.5) * 0.30
        body = distance_colour(palette, near)[None, None] * tone[None, :, None]
        warm = 0.65 if palette.night else 0.35
        first = max(0, int(outline.min()) - 1)
        walls = np.repeat(body, canvas.height - first, axis=0)
        if number:
            _light_windows(canvas, walls, first, outline, building, near, warm)
        draw_land(canvas, outline, walls, depth=0.15 + 0.8 * near, mist=0.70 * (1 - near))


def _skyline(canvas: Canvas, base: float, near: float) -> tuple[Floats, np.ndarray]:
    """The roofs' row in every column, and which building stands there."""
    dice, height, width = canvas.dice, canvas.height, canvas.width
    outline = np.full(width, base, np.float32)
    building = np.zeros(width, np.int32)
    left = number = 0
    while left < width:
        right = left + max(2, int(width * dice.between(0.016, 0.046) * (0.55 + 0.95 * near)))
        tall = height * dice.between(0.05, 0.30) ** 1.1 * (0.75 + 0.55 * near)
        outline[left:right] -= tall
        building[left:right] = number
        style, middle = dice.below(5), (left + right) // 2
        if style == 0:  # a narrower top floor
            inset = max(1, (right - left) // 5)
            outline[left + inset : right - inset] -= height * 0.018
        elif style == 1:  # a mast
            outline[middle : middle + max(1, width // 900)] -= height * dice.between(0.02, 0.05)
        left, number = right, number + 1
    return outline, building


def _light_windows(
    canvas: Canvas, walls: Floats, first: int, outline: Floats, building: np.ndarray, near: float, warm: float
) -> None:
    dice = canvas.dice
    wide = max(2, round(canvas.width * 0.0019 * (0.7 + near)))
    tall = max(3, round(wide * 1.7))
    columns, rows = np.arange(canvas.width), np.arange(first, canvas.height)
    across, down = columns // (2 * wide), rows // (2 * tall)
    pane = (columns % (2 * wide) < wide)[None, :] & (rows % (2 * tall) < tall)[:, None]
    lamps = dice.many(int(down.max()) + 1, int(across.max()) + 1)
    busy = dice.many(int(building.max()) + 1)[building] * 0.5
    on = (lamps[down][:, across] < busy[None, :]) & pane & (rows[:, None] > outline[None, :] + tall)
    lamp = mix(colour(canvas.palette.light), colour((255, 190, 110)), warm)
    glow = lamp * (0.45 + 0.55 * dice.many(int(down.max()) + 1, int(across.max()) + 1)[down][:, across][on])[:, None]
    walls[on] = mix(walls[on], glow, 0.35 + 0.5 * near if canvas.palette.night else 0.22 + 0.36 * near)


def draw_water(canvas: Canvas) -> None:
    """Hills on the other shore, and a sea that mirrors them and the light."""
    palette, dice, height, width = canvas.palette, canvas.dice, canvas.height, canvas.width
    for number, near in enumerate((0.12, 0.28, 0.45)):
        base = canvas.horizon + height * 0.004 * number
        land = np.clip(dice.line(width, 1.6 + number, 6) + 0.25 - 0.25 * number, 0, 1)
        outline = (base - land * height * (0.17 - 0.045 * number)).astype(np.float32)
        draw_land(canvas, outline, distance_colour(palette, near), depth=0.10 + 0.1 * number, mist=0.5 * (1 - near))
    shore = int(canvas.horizon)
    rows = height - shore
    down = (np.arange(rows, dtype=np.float32) / rows)[:, None]
    canvas.colours[shore:] = _mirrored(canvas, shore, down)
    canvas.depth[shore:] = 0.30 + 0.70 * down
    _draw_glitter(canvas, shore, down)


def _mirrored(canvas: Canvas, shore: int, down: Floats) -> Floats:
    """The upper picture upside down, broken by waves that grow towards the viewer."""
    rows, width = down.shape[0], canvas.width
    waves = canvas.dice.field(rows, width, 14, 60, 4) - 0.5
    swell = canvas.dice.field(rows, width, 3, 26, 2) - 0.5
    up = shore - 1 - np.arange(rows)[:, None] * shore / rows * 0.92
    reach = canvas.height * (0.02 + 0.30 * down)
    source = np.clip(up + waves * reach * 0.6 + swell * reach, 0, shore - 1).astype(np.int32)
    aside = np.clip(np.arange(width)[None, :] + waves * reach * 0.5, 0, width - 1).astype(np.int32)
    mirrored = canvas.colours[source, aside]
    deep = mix(colour(canvas.palette.near), colour(canvas.palette.haze), 0.18)
    return mix(
        mirrored,
        np.broadcast_to(deep, mirrored.shape),
        np.clip(0.16 + 0.62 * down + waves * 0.7 * (0.3 + down), 0, 0.92),
    )


def _draw_glitter(canvas: Canvas, shore: int, down: Floats) -> None:
    """The path of light under the sun: small flat mirrors, wider apart the nearer they are."""
    rows = down.shape[0]
    fine = (
        canvas.dice.field(rows, canvas.width, 90, 190, 2) * (1 - down)
        + canvas.dice.field(rows, canvas.width, 34, 80, 2) * down
    )
    path = np.exp(-np.abs(canvas.columns() - canvas.sun[0]) / (canvas.width * (0.035 + 0.16 * down)))
    share = step(fine.astype(np.float32), 0.58, 0.74) * path.astype(np.float32) * (1 - 0.45 * down)
    canvas.colours[shore:] = mix(canvas.colours[shore:], colour(canvas.palette.light), share * np.float32(0.9))


def draw_dunes(canvas: Canvas) -> None:
    """Crests with a bright and a dark side, ripples in the near sand."""
    palette, dice, height, width = canvas.palette, canvas.dice, canvas.height, canvas.width
    layers = 5
    side = 1 if canvas.sun[0] > width / 2 else -1
    for number in range(layers):
        near = (number + 1) / layers
        base = canvas.horizon + (height - canvas.horizon) * near**1.5 * 0.66
        line = dice.line(width, 1.2 + 1.8 * (1 - near), 2, 0.35)
        outline = (base - line * height * (0.05 + 0.06 * near)).astype(np.float32)
        first = max(0, int(outline.min()) - 1)
        below = canvas.rows(first) - outline[None, :]
        # A second line from the crest down parts the sunny side from the one in the shade.
        bend = dice.line(width, 2.5, 3) * height * 0.09 + np.gradient(outline) * side * height * 0.35
        shade = step(below - bend[None, :].astype(np.float32), -height * 0.01, height * 0.035)
        sand = mix(distance_colour(palette, near * 0.80), colour(palette.horizon), 0.30)
        sunny, dark = (
            mix(sand, colour(palette.light), 0.34 - 0.14 * near),
            mix(sand, colour(palette.near), 0.30 + 0.18 * near),
        )
        ground = mix(
            np.broadcast_to(sunny, (*below.shape, 3)),
            np.broadcast_to(dark, (*below.shape, 3)),
            shade * np.float32(0.75),
        )
        wind = dice.field(below.shape[0], width, 8, 5, 3) * 60
        ripples = np.sin(below / (height * (0.0025 + 0.004 * near)) + wind) * 0.035 * near
        ground = ground * (1 + ripples[..., None])
        draw_land(canvas, outline, ground.astype(np.float32), depth=0.15 + 0.8 * near, mist=0.45 * (1 - near))
