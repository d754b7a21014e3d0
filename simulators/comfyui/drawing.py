"""Pictures and clips as files: real PNGs and real moving H.264, drawn once per look and then kept."""

import asyncio
import hashlib
import os
import threading
import uuid
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from simulators.comfyui.config import ComfyConfig, FileKind
from simulators.comfyui.values import Picture, Video
from simulators.kie.camera import move_of
from simulators.kie.drawing import card
from studio.contracts.clip import CameraMove
from studio.media import animatic
from studio.media.stills import draw_still

POSES = {
    "Static": CameraMove.STATIC,
    "Pan Left": CameraMove.PAN_LEFT,
    "Pan Right": CameraMove.PAN_RIGHT,
    "Pan Up": CameraMove.TRUCK,
    "Pan Down": CameraMove.TRUCK,
    "Zoom In": CameraMove.ZOOM_IN,
    "Zoom Out": CameraMove.ZOOM_OUT,
    "Anti Clockwise (ACW)": CameraMove.ORBIT,
    "ClockWise (CW)": CameraMove.ORBIT,
}
STRENGTH = 0.5
SMALLEST = 16
TINTS = 8
"""Placeholders of one size differ in so many colours."""
KEPT_BYTES = 128 * 1024 * 1024
PREVIEW_SIDE = 256


@dataclass(frozen=True)
class Look:
    """What makes one file differ from another. `fps` 0: a picture."""

    picture: Picture
    fps: int = 0
    kind: FileKind = "good"

    @property
    def name(self) -> str:
        shown = replace(self, picture=replace(self.picture, source=None))
        told = hashlib.sha256(f"{shown}|{animatic.RENDERER_VERSION}|1".encode()).hexdigest()[:32]
        return f"comfy-{told}{'.mp4' if self.fps else '.png'}"


class Artist:
    """Draws in a small pool of threads; what was drawn is kept in memory and in a folder."""

    def __init__(self, config: ComfyConfig, folder: Path) -> None:
        self._config = config
        self._folder = folder
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(config.workers, thread_name_prefix="artist")
        self._kept: OrderedDict[Look, bytes] = OrderedDict()
        self._previews: dict[int, bytes] = {}

    async def picture(self, picture: Picture, number: int, kind: FileKind) -> bytes:
        """One PNG of the batch."""
        return await self._file(Look(replace(picture, count=1, seed=picture.seed + number), 0, kind))

    async def video(self, video: Video, kind: FileKind) -> bytes:
        """An MP4 with so many frames at so many frames per second."""
        return await self._file(Look(video.picture, max(1, round(video.fps)), kind))

    def preview(self, number: int) -> bytes:
        """A small JPEG, another one for each step."""
        shift = number % 12
        if shift not in self._previews:
            self._previews[shift] = _encoded(card(PREVIEW_SIDE, PREVIEW_SIDE, shift * 4), "JPEG")
        return self._previews[shift]

    async def close(self) -> None:
        self._stop.set()
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._pool.shutdown(cancel_futures=True))

    async def _file(self, look: Look) -> bytes:
        look = self._simplified(look)
        if look not in self._kept:
            loop = asyncio.get_running_loop()
            self._kept[look] = await loop.run_in_executor(self._pool, _drawn, look, self._folder, self._stop)
        self._kept.move_to_end(look)
        while sum(map(len, self._kept.values())) > KEPT_BYTES and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return self._kept[look]

    def _simplified(self, look: Look) -> Look:
        picture, kind = look.picture, look.kind
        if kind in ("missing", "empty", "truncated"):
            kind = "good"  # spoiled when it is written
        if look.fps and picture.source is not None:
            picture = replace(picture, seed=0)  # a still and its camera are all one can see
        if self._config.files == "placeholder":
            tint = 0 if look.fps else picture.seed % TINTS
            picture = Picture(picture.width, picture.height, picture.count, seed=tint)
        return Look(picture, look.fps, kind)


def _drawn(look: Look, folder: Path, stop: threading.Event) -> bytes:
    target = folder / look.name
    if target.exists():
        return target.read_bytes()
    data = _clip(look, folder, stop) if look.fps else _encoded(_still(look), "PNG")
    part = folder / f".{uuid.uuid4().hex}.part"
    part.write_bytes(data)
    os.replace(part, target)
    return data


def _still(look: Look) -> Image.Image:
    picture = look.picture
    size = (picture.width // 2, picture.height // 2) if look.kind == "wrong_size" else (picture.width, picture.height)
    if look.kind == "black":
        return Image.new("RGB", size)
    if picture.text and min(size) >= SMALLEST:
        return draw_still(picture.text, seed=picture.seed, width=size[0], height=size[1]).image
    if picture.source is not None:
        with Image.open(picture.source) as image:
            return ImageOps.fit(image.convert("RGB"), size)
    tinted = ImageOps.colorize(card(*size).convert("L"), "black", f"hsl({picture.seed % TINTS * 45}, 80%, 70%)")
    return tinted


def _clip(look: Look, folder: Path, stop: threading.Event) -> bytes:
    picture, frames = look.picture, look.picture.count
    width, height = (max(SMALLEST, side // 2 * 2) for side in (picture.width, picture.height))
    move = POSES.get(picture.pose or "", move_of(picture.text))
    if look.kind == "wrong_size":
        width, height = max(SMALLEST, width // 4 * 2), max(SMALLEST, height // 4 * 2)
    elif look.kind == "wrong_length":
        frames = max(1, frames // 2)
    elif look.kind == "frozen":
        move = CameraMove.STATIC
    part = folder / f".{uuid.uuid4().hex}.part.mp4"
    still = part.with_suffix(".png")
    try:
        _start(look, width, height).save(still, compress_level=1)
        animatic.render_clip(
            still, part, move=move, strength=STRENGTH, seconds=frames / look.fps, fps=look.fps,
            width=width, height=height, stop=stop,
        )  # fmt: skip
        return part.read_bytes()
    finally:
        part.unlink(missing_ok=True)
        still.unlink(missing_ok=True)


def _start(look: Look, width: int, height: int) -> Image.Image:
    """The first frame: the still it was made from, or one for its words."""
    picture = look.picture
    if look.kind == "black":
        return Image.new("RGB", (width, height))
    if picture.source is not None:
        with Image.open(picture.source) as image:
            return image.convert("RGB")
    return _still(Look(replace(picture, width=width, height=height)))


def _encoded(image: Image.Image, form: str) -> bytes:
    file = BytesIO()
    image.save(file, form, **({"compress_level": 1} if form == "PNG" else {}))
    return file.getvalue()
