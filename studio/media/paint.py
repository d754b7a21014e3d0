"""One frame: the layers of a still as the camera sees them, sampled between the pixels.

Pillow's `resize` takes the box to show in fractions of a pixel: that is what keeps slow moves smooth (jitter below
0.01 pixels; ffmpeg's zoompan has 0.8). It works on the three planes of video, half the numbers of RGB.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image

from studio.media.camera import View
from studio.media.layers import Layer

_FOCAL_LENGTH = 1.2
"""In picture widths: about 45 degrees of view, a normal lens."""

_STRIP = 16
"""Width of the strips that make a turn. Each has one height: at most 0.1 pixel off at its corners."""

_SPARE = 0.32
"""Share of an orbit's zoom margin kept for its parallax, which needs 0.30; the rest is for the turn."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels of the still, between the pixels too."""

_HALVES = (1, 2, 2)
"""What the sizes of Y, U and V are divided by."""


class Painter:
    """Paints views of a still, given as layers from far to near, in one size."""

    def __init__(self, layers: Sequence[Layer], width: int, height: int) -> None:
        self._size = (width, height)
        self._still = layers[0].planes[0].size
        self._layers = [_Panes(layer) for layer in layers]

    def paint(self, view: View) -> tuple[bytes, bytes, bytes]:
        """The Y, U and V bytes of the frame that `view` shows."""
        if view.yaw is not None:  # also in the middle of a turn, where it is 0: one frame would be sharper
            planes = self._turned(view, view.yaw)
        else:
            width, height = self._still
            planes = self._composed(view, (width / view.zoom, height / view.zoom), self._size)
        y, u, v = (plane.tobytes() for plane in planes)
        return y, u, v

    def _composed(self, view: View, window: tuple[float, float], size: tuple[int, int]) -> list[Image.Image]:
        """The layers on top of each other, each shifted by its distance.

        `window` is the part of the still that is shown, in its pixels; `size` is what becomes of it.
        """
        canvas = [Image.new("L", (size[0] // half, size[1] // half)) for half in _HALVES]
        for layer in self._layers:
            shift = view.x + view.parallax * (layer.depth - view.pivot)
            left = (0.5 + shift) * self._still[0] - window[0] / 2
            top = (0.5 + view.y) * self._still[1] - window[1] / 2
            layer.paste_on(canvas, (left, top, left + window[0], top + window[1]))
        return canvas

    def _turned(self, view: View, yaw: float) -> list[Image.Image]:
        """The parallax first, at the still's own scale, then the turn of the camera."""
        if len(self._layers) > 1:
            margin = (1 - 1 / view.zoom) * _SPARE
            width = max(2, int(self._still[0] * (1 - margin)) // 2 * 2)
            window = (width, self._still[1])
            standing = self._composed(view, window, window)
        else:
            standing = self._layers[0].whole()
        scale = self._still[0] / view.zoom / self._size[0]
        slant = math.sin(yaw) / (_FOCAL_LENGTH * self._size[0])
        return [
            _turn(plane, (self._size[0] // half, self._size[1] // half), scale, slant * half, _STRIP // half)
            for plane, half in zip(standing, _HALVES, strict=True)
        ]


class _Panes:
    """One layer, ready to be sampled."""

    def __init__(self, layer: Layer) -> None:
        # The eye is less sharp for colour and sees masks only as edges: two taps instead of four are enough.
        sharp, quick = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR
        self.depth = layer.depth
        self._rows = (layer.top, layer.bottom)
        self._planes = [_Pane(plane, how) for plane, how in zip(layer.planes, (sharp, quick, quick), strict=True)]
        self._masks = [_Pane(mask, quick) for mask in layer.masks or ()]

    def whole(self) -> list[Image.Image]:
        """The planes, untouched."""
        return [pane.image for pane in self._planes]

    def paste_on(self, canvas: Sequence[Image.Image], box: Box) -> None:
        """Show the part `box` of the picture on the planes of `canvas`, where this layer can be seen."""
        left, top, right, bottom = box
        per_row = (bottom - top) / canvas[0].height
        # Rows of the output in steps of two, so that all planes cut at the same place.
        first = max(0, math.floor((self._rows[0] - top) / per_row / 2) * 2)
        last = min(canvas[0].height, math.ceil((self._rows[1] - top) / per_row / 2) * 2)
        if first >= last:
            return
        part = (left, top + first * per_row, right, top + last * per_row)
        to = (canvas[0].width, last - first)
        masks = [pane.seen(part, to, half) for pane, half in zip(self._masks, (1, 2), strict=False)]
        for plane, pane, half in zip(canvas, self._planes, _HALVES, strict=True):
            seen = pane.seen(part, to, half)
            plane.paste(seen, (0, first // half), masks[half - 1] if masks else None)


class _Pane:
    """One plane of a layer. Keeps its rows once scaled: pans and trucks then only work along the rows."""

    def __init__(self, image: Image.Image, resample: Image.Resampling) -> None:
        self.image = image
        self._resample = resample
        self._rows = image
        self._rows_are: tuple[float, float, int] = (0.0, float(image.height), image.height)

    def seen(self, box: Box, size: tuple[int, int], half: int) -> Image.Image:
        """The part `box` at `size`, both as for Y; `half` is 2 when this plane has half as many pixels."""
        left, top, right, bottom = _inside(tuple(side / half for side in box), self.image.size, most=0.01)
        width, height = size[0] // half, size[1] // half
        if self._rows_are != (top, bottom, height):
            whole = (0, top, self.image.width, bottom)
            self._rows = self.image.resize((self.image.width, height), self._resample, box=whole)
            self._rows_are = (top, bottom, height)
        return self._rows.resize((width, height), self._resample, box=(left, 0, right, height))


def _turn(plane: Image.Image, size: tuple[int, int], scale: float, slant: float, strip: int) -> Image.Image:
    """A plane as a camera sees it that is turned around the upright axis.

    A pixel (x, y) of the result, from the centre, shows the pixel (x, y) * scale / (1 + slant * x): the homography
    of a turn, in which everything in one column has one scale. So narrow upright strips are resized each for
    itself: 17 ms at 1080p, where Pillow's PERSPECTIVE needs 60.
    """
    width, height = size
    centre_x, centre_y = plane.width / 2, plane.height / 2
    edges = [*range(0, width, strip), width]
    result = Image.new("L", size)
    for left, right in pairwise(edges):
        source = [centre_x + scale * x / (1 + slant * x) for x in (left - width / 2, right - width / 2)]
        half_height = height / 2 * scale / (1 + slant * ((left + right) / 2 - width / 2))
        # Up to two pixels: the rounding of sizes to whole pixels and to pairs of them.
        upper, lower = centre_y - half_height, centre_y + half_height
        box = _inside((source[0], upper, source[1], lower), plane.size, most=2.0)
        result.paste(plane.resize((right - left, height), Image.Resampling.BICUBIC, box=box), (left, 0))
    return result


def _inside(box: tuple[float, ...], size: tuple[int, int], *, most: float) -> Box:
    """`box` without what rounding makes of it outside of the picture, which Pillow refuses.

    Cameras stay inside the picture; more than `most` pixels outside is a mistake in their arithmetic.
    """
    left, top, right, bottom = box
    out = max(-left, -top, right - size[0], bottom - size[1])
    assert out <= most, f"the camera left the picture by {out:.2f} pixels"
    return max(0.0, left), max(0.0, top), min(float(size[0]), right), min(float(size[1]), bottom)
