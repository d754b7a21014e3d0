"""What a ComfyUI server made: fetched, looked at, put into the store."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

from activities._take import kept, store_take
from comfy_workflows.graph import BoundGraph
from studio.contracts.clip import ClipFile
from studio.contracts.rendering import GraphToRender
from studio.errors import BadClip
from studio.media.picture import probe_picture
from studio.media.probe import MediaInfo, faulty, probe
from studio.media.provenance import leave_only
from studio.media.trim import trim_clip
from studio.media.verify import Ordered, verify_clip
from studio.objects import keys
from studio.objects.store import ObjectStore

SUFFIXES = {"image": ".png", "video": ".mp4"}
"""How the files of each kind end, with us and on the server."""


async def verified(path: Path, order: GraphToRender, bound: BoundGraph) -> tuple[Path, MediaInfo | None]:
    """Decode all of it and compare it with what was ordered; of a clip, then keep the frames that were asked for.

    Returns the file to use and what it is, None for a picture.

    Raises:
        BadClip: a clip is not what was ordered, or has fewer frames than are to be kept.
        BadStill: a picture is not.
    """
    if bound.kind == "image":
        await asyncio.to_thread(_verify_picture, path, bound)
        return path, None
    info = await asyncio.to_thread(_verify_clip, path, order, bound)
    if order.kept_frames is None or order.kept_frames == info.frames:
        return path, info
    cut = path.with_stem(f"{path.stem}_cut")
    return cut, await trim_clip(path, cut, order.kept_frames)


async def without_prompts(path: Path, provenance: Mapping[str, str | int]) -> Path:
    """The same file, saying nothing but where it comes from."""
    bare = path.with_stem(f"{path.stem}_bare")
    await leave_only(path, bare, {"longtake": json.dumps(provenance)})
    return bare


def _verify_clip(path: Path, order: GraphToRender, bound: BoundGraph) -> MediaInfo:
    found = probe(path)
    seconds = bound.frames / bound.fps if bound.frames and bound.fps else found.seconds
    info = verify_clip(
        path,
        Ordered(
            seconds=seconds,
            width=bound.width or found.width,
            height=bound.height or found.height,
            moving=order.moving,
        ),
    )
    if bound.frames and info.frames != bound.frames:
        raise faulty(BadClip(f"{path.name}: {info.frames} frames instead of {bound.frames}"), "length")
    return info


def _verify_picture(path: Path, bound: BoundGraph) -> None:
    picture = probe_picture(path)
    wanted = (bound.width or picture.width, bound.height or picture.height)
    if (picture.width, picture.height) != wanted:
        words = f"{path.name}: {picture.width}x{picture.height} instead of {wanted[0]}x{wanted[1]}"
        raise faulty(BadClip(words), "size")


async def stored(objects: ObjectStore, order: GraphToRender, path: Path, info: MediaInfo | None) -> ClipFile:
    """Put a verified file into the store under its take. Who ordered it takes it from there, if it still wants it."""
    if info is not None:
        return await store_take(objects, order.channel, order.take, path, info, place=None)
    picture = await asyncio.to_thread(probe_picture, path)
    media = await kept(objects, path, keys.image_take_key(order.channel, order.take), picture.mime)
    return ClipFile(media=media, width=picture.width, height=picture.height, frames=1, seconds=0)
