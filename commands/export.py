"""`starter.py video export` and `open`: a video's files under names that people can read."""

import asyncio
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from commands.options import DATA, Data, Json, VideoId
from commands.session import WRONG_INPUT, Stores, fail, open_stores, out, show_json
from studio.contracts.clip import ClipId, ClipRequest, MotionPrompt
from studio.contracts.video import VideoName, VideoRequest
from studio.objects import keys
from studio.store.videos import VideoStore

LONGEST_NAME = 60
"""Characters of a title or prompt in a file's name."""
MOST_BYTES = 180
"""Bytes of it; file systems take 255 for a whole name."""
EXPORTS = "exports"
"""Folder in the data directory, for what `video open` shows."""

_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]+')
"""What some file system, or some program that is handed the name, does not take."""

Target = Annotated[
    Path | None, typer.Argument(help="Folder to write into, made if need be; none: one of the video's name, here.")
]
What = Annotated[str, typer.Option("--what", help="video, sheet or folder.")]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    video: Path | None = None
    sheet: Path | None = None
    clips: tuple[Path, ...] = ()
    missing: tuple[int, ...] = ()
    """Clips of which there is no file, by number."""


def export_video(video: VideoId, folder: Target = None, data: Data = DATA, as_json: Json = False) -> None:
    """Copy a video, its contact sheet and its clips into a folder, under readable names. Files there are replaced."""

    async def run() -> Exported:
        async with open_stores(data) as stores:
            name = await _name(stores, video)
            return await exported(stores, name, folder or Path(name.video_id))

    done = asyncio.run(run())
    if as_json:
        value = {"folder": str(done.folder), "video": _shown(done.video), "sheet": _shown(done.sheet)}
        return show_json(value | {"clips": [str(path) for path in done.clips], "missing": list(done.missing)})
    for path in (done.video, done.sheet, *done.clips):
        if path is not None:
            out.print(str(path), highlight=False, soft_wrap=True)
    if done.missing:
        out.print(f"not there yet: clip {', '.join(map(str, done.missing))}", highlight=False)
    if done.video is None:
        out.print(f"The video is not joined: `video status {video}` shows what it waits for", highlight=False)


def open_video(video: VideoId, what: What = "video", data: Data = DATA) -> None:
    """Show a video, its contact sheet or the folder of its files with the program this desktop has for it."""
    if what not in ("video", "sheet", "folder"):
        fail(f"--what {what}: say video, sheet or folder", code=WRONG_INPUT)

    async def run() -> Exported:
        async with open_stores(data) as stores:
            name = await _name(stores, video)
            return await exported(stores, name, data / EXPORTS / name.channel / name.video_id)

    done = asyncio.run(run())
    path = {"video": done.video, "sheet": done.sheet, "folder": done.folder}[what]
    if path is None:
        fail(f"There is no {what} yet: `video status {video}` shows what it waits for")
    out.print(str(path), highlight=False, soft_wrap=True)
    if shutil.which("xdg-open") is None and shutil.which("open") is None:
        out.print("No program was found to show it with: open that file yourself", highlight=False)
    elif typer.launch(str(path.resolve())) != 0:
        out.print("The desktop's program did not start: open that file yourself", highlight=False)


async def exported(stores: Stores, video: VideoName, folder: Path) -> Exported:
    """Write the files of a video that are there."""
    request = await VideoStore(stores.database).request(video.channel, video.video_id)
    if request is None:
        fail(f"No video is called {video.channel}/{video.video_id}", code=WRONG_INPUT)
    title = readable_name(request.title) or video.video_id
    await asyncio.to_thread((folder / "clips").mkdir, parents=True, exist_ok=True)
    joined = await _copied(stores, keys.video_key(video.channel, video.video_id), folder / f"{title}.mp4", "video/mp4")
    sheet_key = keys.sheet_key(video.channel, video.video_id)
    sheet = await _copied(stores, sheet_key, folder / f"{title} - contact sheet.png", "image/png")
    clips = [await _clip(stores, request, clip, folder) for clip in request.clips]
    missing = [clip.number for clip, path in zip(request.clips, clips, strict=True) if path is None]
    there = tuple(path for path in clips if path is not None)
    return Exported(folder, joined, sheet, there, tuple(missing))


async def _clip(stores: Stores, request: VideoRequest, clip: ClipRequest, folder: Path) -> Path | None:
    key = keys.clip_key(ClipId(channel=request.channel, video_id=request.video_id, number=clip.number))
    prompt = clip.prompt.action if isinstance(clip.prompt, MotionPrompt) else clip.prompt
    digits = max(2, len(str(len(request.clips))))
    name = f"{clip.number:0{digits}d} {readable_name(prompt)}".strip()
    return await _copied(stores, key, folder / "clips" / f"{name}.mp4", "video/mp4")


async def _copied(stores: Stores, key: str, target: Path, mime: str) -> Path | None:
    media = await stores.objects.refer(key, mime)
    return None if media is None else await stores.objects.fetch(media, target)


def readable_name(text: str) -> str:
    """The first words of a text as a part of a file name, without what file systems and shells stumble over."""
    plain = unicodedata.normalize("NFC", _UNSAFE.sub(" ", text))
    plain = "".join(sign for sign in plain if sign.isprintable())
    short = " ".join(plain.split())
    while len(short) > LONGEST_NAME or len(short.encode()) > MOST_BYTES:
        shorter = short.rpartition(" ")[0]
        short = shorter if len(shorter) > LONGEST_NAME / 3 else short[:-1]
    return short.strip(" .-~'`$&;")


def _shown(path: Path | None) -> str | None:
    return None if path is None else str(path)


async def _name(stores: Stores, video: str) -> VideoName:
    """A video by CHANNEL/VIDEO, or by VIDEO alone when there is only one."""
    channel, _, name = video.rpartition("/")
    if not channel:
        rows = await VideoStore(stores.database).find(video_id=name)
        if len(rows) != 1:
            known = ", ".join(f"{row.channel}/{row.video_id}" for row in rows)
            fail(
                f"Which one? {known}" if rows else f"No video is called {name} - `video list` shows them",
                code=WRONG_INPUT,
            )
        channel = rows[0].channel
    return VideoName.model_construct(channel=channel, video_id=name)
