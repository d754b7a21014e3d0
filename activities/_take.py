"""A verified clip becomes a take: its file, a small picture, and the video's own name for it."""

import asyncio
from pathlib import Path

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipFile
from studio.media.frames import frame_at
from studio.media.probe import MediaInfo
from studio.objects import keys
from studio.objects.store import ObjectStore

PICTURE = (480, 854)
"""Width and height in pixels that a take's picture fits into."""


async def store_take(
    objects: ObjectStore, channel: str, take: str, path: Path, info: MediaInfo, *, place: str | None
) -> ClipFile:
    """Put the file of a take, and a picture beside it, into the store, and a copy where somebody uses it.

    One that is there already stays: whoever has taken it knows it by its bytes.
    """
    picture = path.with_suffix(".jpg")
    await asyncio.to_thread(_draw_picture, path, picture)
    media, shown = await asyncio.gather(
        kept(objects, path, keys.take_key(channel, take), "video/mp4"),
        kept(objects, picture, keys.picture_key(channel, take), "image/jpeg"),
    )
    if place is not None:
        await objects.copy(media.key, place)
    return ClipFile(
        media=media, width=info.width, height=info.height, frames=info.frames, seconds=info.seconds, picture=shown
    )


async def kept(objects: ObjectStore, path: Path, key: str, mime: str) -> MediaRef:
    """Put a file under a key that is never overwritten; returns what lies there."""
    return await objects.put_new(path, key, mime)


def _draw_picture(clip: Path, target: Path) -> None:
    frame_at(clip, 0.5, within=PICTURE).save(target, format="JPEG", quality=85)
