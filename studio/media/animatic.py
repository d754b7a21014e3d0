"""The local renderer: a still becomes a clip with a camera move, on the CPU, without a model.

Frames are drawn here and piped as raw video to libx264 (measured figures: docs/decisions/0010).
"""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import ffmpeg
from PIL import Image, UnidentifiedImageError

from studio.contracts.clip import CameraMove
from studio.errors import BadStill, InvalidRequest
from studio.media import _ffmpeg
from studio.media._part import written_whole
from studio.media.camera import view
from studio.media.layers import Layer, one_layer, split
from studio.media.paint import Painter
from studio.media.recipe import BT709_LIMITED, colour_options, h264_options

RENDERER_VERSION = "animatic-1"
"""Part of the key of a cached clip: change it whenever the same order would give other frames."""

_MOST_DETAIL = 2.0
"""A still is made smaller when it has more than this many pixels per output pixel (along a side)."""


def render_clip(
    still: Path,
    target: Path,
    *,
    move: CameraMove,
    strength: float,
    seconds: float,
    fps: int = 24,
    width: int,
    height: int,
    depth: Path | None = None,
    on_frame: Callable[[int, int], None] | None = None,
    stop: threading.Event | None = None,
) -> int:
    """Render `still` into `target` (MP4, H.264, BT.709) and return the number of frames.

    `width` and `height` are in pixels and even; the still is cropped to their shape around its centre. `depth`
    is a picture of the still's shape, white where things are near: with it near things pass far ones in a truck
    or an orbit. `on_frame` hears (frames drawn, frames in all), in this thread.

    Blocking and CPU bound: call it in a thread. Setting `stop` ends it within a moment with `MediaError` ("the
    rendering was stopped"); no file and no process is left. Raises `InvalidRequest` for sizes, lengths and
    strengths that make no clip, `BadStill` for a picture that cannot be read, `FfmpegFailed`.
    """
    _check_order(seconds, fps, width, height, strength)
    total = max(1, round(seconds * fps))
    zoom = view(move, strength, 0).zoom if move is CameraMove.ORBIT else _MOST_DETAIL
    with_depth = depth if move in (CameraMove.TRUCK, CameraMove.ORBIT) else None
    painter = Painter(_layers(still, with_depth, width, height, zoom), width, height)
    frames = _frames(painter, move, strength, total, on_frame)
    with written_whole(target) as part:
        _ffmpeg.feed(encoder_arguments(part, fps=fps, width=width, height=height), frames, stop=stop)
    return total


def encoder_arguments(target: Path, *, fps: int, width: int, height: int) -> list[str]:
    """The ffmpeg command that takes raw frames on its stdin."""
    raw = ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pix_fmt="yuv420p",
        s=f"{width}x{height}",
        r=fps,
        **colour_options(BT709_LIMITED),
    )
    argv: list[str] = raw.output(str(target), **h264_options(fps)).compile(cmd=_ffmpeg.binary())
    return argv


def _check_order(seconds: float, fps: int, width: int, height: int, strength: float) -> None:
    if width < 16 or height < 16 or width % 2 or height % 2:
        raise InvalidRequest(f"a clip of {width}x{height}: both sides have to be even and at least 16 pixels")
    if not (0 < seconds <= 3_600 and 1 <= fps <= 120):
        raise InvalidRequest(f"a clip of {seconds:g} s at {fps} frames per second cannot be rendered")
    if not 0 <= strength <= 1:
        raise InvalidRequest(f"the strength of a camera move goes from 0 to 1, not {strength:g}")


def _frames(
    painter: Painter, move: CameraMove, strength: float, total: int, on_frame: Callable[[int, int], None] | None
) -> Iterator[tuple[bytes, bytes, bytes]]:
    shown, frame = None, (b"", b"", b"")
    for number in range(total):
        seen = view(move, strength, number / max(1, total - 1))
        if seen != shown:  # a static shot is one frame, sent again and again
            shown, frame = seen, painter.paint(seen)
        yield frame
        if on_frame is not None:
            on_frame(number + 1, total)


def _layers(still: Path, depth: Path | None, width: int, height: int, detail: float) -> list[Layer]:
    image = _opened(still).convert("RGB")
    if depth is None:
        return one_layer(_fitted(image, width, height, detail))
    near = _opened(depth).convert("L").resize(image.size)
    return split(_fitted(image, width, height, detail), _fitted(near, width, height, detail))


def _opened(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError) as error:
        raise BadStill(f"{path.name} cannot be read as a picture: {error}") from error


def _fitted(image: Image.Image, width: int, height: int, detail: float) -> Image.Image:
    """Cropped to the shape of the output and at least as large, but not more than `detail` times."""
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - width * scale) / 2, (image.height - height * scale) / 2
    box = (left, top, image.width - left, image.height - top)
    kept = min(max(scale, 1.0), detail)
    # Multiples of four: the planes of colour then have whole halves with centres on pixels of their own.
    size = (max(width, round(width * kept / 4) * 4), max(height, round(height * kept / 4) * 4))
    if box == (0, 0, *size):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box)
