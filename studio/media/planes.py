"""The planes of a decoded frame as Pillow pictures, without copying them."""

from av.video.frame import VideoFrame
from PIL import Image

from studio.media.colour import Planes

_EIGHT_BIT = ("yuv420p", "yuvj420p")


def planes_of(frame: VideoFrame) -> Planes:
    """Y, U and V. Frames of another kind (4:4:4, ten bits) are brought to 4:2:0 of eight bits first."""
    if frame.format.name not in _EIGHT_BIT:
        frame = frame.reformat(format="yuv420p")
    half = ((frame.width + 1) // 2, (frame.height + 1) // 2)
    y, u, v = (
        # A plane's rows are padded: `line_size` bytes from one to the next.
        # A plane is a buffer, as Pillow wants it, but PyAV's stubs do not say so: hence the ignored type.
        Image.frombuffer("L", size, plane, "raw", "L", plane.line_size, 1)  # type: ignore[arg-type]  # as said
        for size, plane in zip(((frame.width, frame.height), half, half), frame.planes, strict=True)
    )
    return y, u, v
