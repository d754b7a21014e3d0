"""What a file says of its own making: the graph with its prompts, and which take it is."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import ffmpeg
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studio.media import _ffmpeg
from studio.media._part import written_whole


async def leave_only(path: Path, target: Path, tags: Mapping[str, str]) -> None:
    """Copy a PNG picture or MP4 clip with these tags and no others. Pixels and frames stay as they are.

    Raises:
        FfmpegFailed: the clip cannot be copied.
    """
    with written_whole(target) as part:
        if target.suffix == ".png":
            await asyncio.to_thread(_copy_picture, path, part, tags)
        else:
            await _ffmpeg.run(copy_arguments(path, part, tags))


def copy_arguments(path: Path, target: Path, tags: Mapping[str, str]) -> list[str]:
    """The ffmpeg command that copies all streams of a clip, without any tag but these."""
    said = {f"metadata:g:{place}": f"{name}={value}" for place, (name, value) in enumerate(tags.items())}
    output = ffmpeg.input(str(path)).output(
        str(target), c="copy", map=0, map_metadata=-1, movflags="+faststart+use_metadata_tags", format="mp4", **said
    )
    argv: list[str] = output.compile(cmd=_ffmpeg.binary())
    return argv


def _copy_picture(path: Path, target: Path, tags: Mapping[str, str]) -> None:
    said = PngInfo()
    for name, value in tags.items():
        said.add_text(name, value)
    with Image.open(path, formats=("PNG",)) as picture:
        picture.info = {}
        picture.save(target, format="PNG", pnginfo=said)
