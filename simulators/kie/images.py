"""The still of a task: fetched from wherever image_url says, and looked at."""

import hashlib
from dataclasses import dataclass
from io import BytesIO

import aiohttp
from PIL import Image, UnidentifiedImageError

from simulators.fetching import Unfetchable, download

LARGEST = (1920, 1080)


@dataclass(frozen=True)
class Still:
    """A picture and its size."""

    data: bytes
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


async def fetch_still(session: aiohttp.ClientSession, url: str, *, limit: int, seconds: float) -> Still:
    return look(await download(session, url, limit=limit, seconds=seconds))


def look(data: bytes) -> Still:
    """Is it a picture, and how large? Only its header is read."""
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as image:
            return Still(data, *image.size)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Unfetchable("the file is not a picture") from error


def video_size(width: int, height: int) -> tuple[int, int]:
    """A clip keeps the shape of its still, within 1920x1080 (upright: 1080x1920), with even sides."""
    wide, high = LARGEST if width >= height else LARGEST[::-1]
    scale = min(1.0, wide / width, high / height)
    return max(16, int(width * scale) // 2 * 2), max(16, int(height * scale) // 2 * 2)
