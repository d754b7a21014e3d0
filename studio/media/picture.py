"""Is this the picture that was ordered? PNG or JPEG, whole, and of a sane size. For stills see `still`."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image, UnidentifiedImageError

from studio.errors import BadStill

PIXEL_LIMIT = 50_000_000
"""Width times height. A few kilobytes of PNG can unpack to gigabytes; 8K is 33 million."""

Mime = Literal["image/png", "image/jpeg"]


@dataclass(frozen=True)
class PictureInfo:
    """A verified picture."""

    width: int
    height: int
    mime: Mime


def probe_picture(data: bytes | Path) -> PictureInfo:
    """Decode a picture completely and say what it is.

    Raises `BadStill` when it is not a PNG or JPEG picture, is cut off or damaged, or has more than 50 megapixels.
    """
    name = data.name if isinstance(data, Path) else "the picture"
    if isinstance(data, Path):
        try:
            data = data.read_bytes()
        except OSError as error:
            raise BadStill(f"{name} cannot be opened ({error.strerror})") from error
    if not data:
        raise BadStill(f"{name} is empty")
    try:
        return _decoded(name, data)
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        if isinstance(error, UnidentifiedImageError):
            raise BadStill(f"{name} is not a PNG or JPEG picture") from error
        raise BadStill(f"{name} would unpack to more than {PIXEL_LIMIT // 1_000_000} megapixels") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise
        raise BadStill(f"{name} is cut off or damaged: {error}") from error


def _decoded(name: str, data: bytes) -> PictureInfo:
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        if image.width * image.height > PIXEL_LIMIT:
            raise Image.DecompressionBombError
        image.verify()  # the checksums of PNG; it leaves the picture unusable
    with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as image:
        image.load()
        # MPO is a JPEG of which some cameras append a second one; whoever reads JPEG reads its first.
        mime: Mime = "image/png" if image.format == "PNG" else "image/jpeg"
        return PictureInfo(image.width, image.height, mime)
