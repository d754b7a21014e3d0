"""Between RGB pictures and the Y, U and V planes of video, without the losses of swscale's defaults.

By default swscale darkens about 1.2 levels in each conversion to RGB: 12 levels after ten generations of "the last
frame is the next still". The formulas are those of ITU-R BT.709-6 section 3 (BT.601-7 for files tagged so), with
limited ("tv") range 16-235 / 16-240; they return to the same RGB values within rounding.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Planes = tuple[Image.Image, Image.Image, Image.Image]
"""Y at full size, U and V at half width and half height (4:2:0), each an 8-bit picture (mode L)."""

BT709 = (0.2126, 0.0722)
"""Weights of red and blue in luma; green has the rest."""
BT601 = (0.299, 0.114)

_BT601_MATRICES = (5, 6)
"""H.273 matrix coefficients 5 (BT.470BG) and 6 (SMPTE 170M)."""


def weights(matrix: int) -> tuple[float, float]:
    """Luma weights of red and blue for an H.273 matrix code; BT.709 when the file does not say."""
    return BT601 if matrix in _BT601_MATRICES else BT709


def to_planes(image: Image.Image) -> Planes:
    """A picture of even width and height as BT.709 limited-range planes."""
    rgb = np.asarray(image.convert("RGB"), np.float32)
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    weight_red, weight_blue = BT709
    luma = weight_red * red + (1 - weight_red - weight_blue) * green + weight_blue * blue
    u, v = (
        _bytes(128 + _halved(colour - luma) * (224 / 255 / (2 - 2 * weight)))
        for colour, weight in ((blue, weight_blue), (red, weight_red))
    )
    return _bytes(16 + luma * (219 / 255)), u, v


def to_image(planes: Planes, *, matrix: int = 1, full_range: bool = False) -> Image.Image:
    """Planes as an RGB picture. `matrix` is the H.273 code of the file; colour planes may have any size."""
    y, u, v = planes
    weight_red, weight_blue = weights(matrix)
    low, luma_range, chroma_range = (0, 255, 255) if full_range else (16, 219, 224)
    luma = (np.asarray(y, np.float32) - low) * (255 / luma_range)
    blue_difference, red_difference = ((_widened(plane, y.size) - 128) * (255 / chroma_range) for plane in (u, v))
    red = luma + (2 - 2 * weight_red) * red_difference
    blue = luma + (2 - 2 * weight_blue) * blue_difference
    green = (luma - weight_red * red - weight_blue * blue) / (1 - weight_red - weight_blue)
    return Image.merge("RGB", [_bytes(channel) for channel in (red, green, blue)])


def _halved(values: Floats) -> Floats:
    # In floating point: rounding to bytes first and averaging then tints by a quarter of a level each time.
    upper, lower = values[0::2], values[1::2]
    total = upper[:, 0::2] + upper[:, 1::2] + lower[:, 0::2] + lower[:, 1::2]
    return np.asarray(total / 4, np.float32)


def _widened(plane: Image.Image, size: tuple[int, int]) -> Floats:
    exact = Image.fromarray(np.asarray(plane, np.float32))
    return np.asarray(exact.resize(size, Image.Resampling.BILINEAR), np.float32)


def _bytes(values: NDArray[Any]) -> Image.Image:
    return Image.fromarray(np.clip(values + 0.5, 0, 255).astype(np.uint8))
