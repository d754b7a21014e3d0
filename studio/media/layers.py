"""A picture taken apart by distance, so that near things can move past far ones.

The depth map is cut at two distances. Each layer keeps its own part of the picture; what lies behind a nearer
layer is unknown and filled in softly from around, since the camera will look past the edge a little.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from studio.media.colour import Planes, to_planes

_LAYERS = 3
"""Two cuts: enough for background, middle and foreground; every layer costs about 8 ms per 1080p frame."""

_LEAST_SHARE = 0.01
"""A layer that fills less of the picture than this is left with the one behind it."""

_FILL_SCALE = 8
"""The fill is computed at an eighth of the size: it is soft anyway, and 64 times cheaper."""

Masks = tuple[Image.Image, Image.Image]
"""A mask at the size of Y, and one at the size of U and V."""

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Layer:
    """One distance: its picture, where it is (none: everywhere), and how near it is, 0 (far) to 1 (near)."""

    planes: Planes
    masks: Masks | None
    """255 where the layer covers what is behind it."""
    depth: float
    top: int
    bottom: int
    """Rows of the picture in which anything of this layer can be seen; both even. Others need not be drawn."""


def one_layer(image: Image.Image) -> list[Layer]:
    """The whole picture at a middle distance: without a depth map nothing tells near from far."""
    return [Layer(to_planes(image), None, 0.5, 0, image.height)]


def split(image: Image.Image, depth: Image.Image) -> list[Layer]:
    """Layers of `image` from far to near by `depth` (mode L, same size, white is near)."""
    near = np.asarray(depth.convert("L"), np.float32) / 255
    cuts = np.linspace(float(near.min()), float(near.max()), _LAYERS + 1)[1:-1]
    floors = [0.0, *(cut for cut in cuts if float((near >= cut).mean()) >= _LEAST_SHARE)]
    ceilings = [*floors[1:], 2.0]
    layers: list[Layer] = []
    for floor, ceiling in zip(floors, ceilings, strict=True):
        here = (near >= floor) & (near < ceiling)
        if not here.any():
            continue
        picture = _filled(image, near < ceiling) if ceiling < 2 else image
        masks = _masks(near >= floor) if layers else None
        top, bottom = _rows(here)
        layers.append(Layer(to_planes(picture), masks, float(near[here].mean()), top, bottom))
    return layers


def _rows(seen: NDArray[np.bool_]) -> tuple[int, int]:
    rows = np.flatnonzero(seen.any(axis=1))
    # A little more, for the soft edges of the masks.
    top, bottom = max(0, int(rows[0]) - 4), min(seen.shape[0], int(rows[-1]) + 5)
    return top // 2 * 2, (bottom + 1) // 2 * 2


def _masks(covered: NDArray[np.bool_]) -> Masks:
    # Half a pixel soft, so that edges do not crawl from pixel to pixel while they move.
    full = Image.fromarray(covered.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.7))
    return full, full.resize((full.width // 2, full.height // 2), Image.Resampling.BOX)


def _filled(image: Image.Image, known: NDArray[np.bool_]) -> Image.Image:
    """`image` where it is known, elsewhere colours from around: ever wider averages of known pixels only."""
    # Two pixels less: the picture's own soft edges would smear the near colour into the fill. A blur that is
    # still full is a pixel with only known ones around it; Pillow's MinFilter is ten times slower.
    blurred = Image.fromarray(known.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(2))
    sure = blurred.point([0] * 255 + [255])
    small = (max(1, image.width // _FILL_SCALE), max(1, image.height // _FILL_SCALE))
    weight = np.asarray(sure.resize(small, Image.Resampling.BOX), np.float32)[..., None] / 255
    seen = Image.composite(image, Image.new("RGB", image.size), sure).resize(small, Image.Resampling.BOX)
    fill = _spread(np.asarray(seen, np.float32), weight)
    soft = Image.fromarray(np.clip(fill, 0, 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return Image.composite(image, soft, sure)


def _spread(colour: Floats, weight: Floats) -> Floats:
    """Push and pull (Gortler et al., The Lumigraph, 1996): `colour` is premultiplied by `weight`, 0 to 1."""
    height, width = weight.shape[:2]
    if min(height, width) < 2:
        return colour / np.maximum(weight, 1e-6)
    rows, columns = height // 2 * 2, width // 2 * 2
    coarse_colour, coarse_weight = (
        values[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2, -1).sum(axis=(1, 3))
        for values in (colour, weight)
    )
    full = np.maximum(coarse_weight, 1)
    behind = _spread(coarse_colour / full, coarse_weight / full)
    wide = np.stack(
        [
            np.asarray(Image.fromarray(behind[..., channel]).resize((width, height), Image.Resampling.BILINEAR))
            for channel in range(3)
        ],
        axis=-1,
    )
    return colour + wide * (1 - weight)
