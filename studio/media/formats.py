"""What the media libraries of this machine can do."""

from PIL import Image

from studio.errors import FfmpegFailed
from studio.media import _ffmpeg

_PICTURES = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "HEIF", "JPEG2000")


async def working_ffmpeg() -> str:
    """The path of the ffmpeg that is used, after it has written one black frame.

    Raises:
        FfmpegFailed: it does not start, or cannot do that.
    """
    try:
        path = _ffmpeg.binary()
        await _ffmpeg.run([path, "-f", "lavfi", "-i", "color=size=16x16:duration=0.04", "-f", "null", "-"])
    except (OSError, RuntimeError) as error:
        raise FfmpegFailed(f"ffmpeg does not start: {error}") from None
    return path


def readable_formats() -> list[str]:
    """Formats of pictures that can be read here, as Pillow names them."""
    Image.init()
    return [name for name in _PICTURES if name in Image.OPEN]
