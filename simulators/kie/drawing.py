"""One clip drawn: by the local renderer, counted the way Kling counts, or spoiled on order."""

import hashlib
import os
import threading
import uuid
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw

from simulators.fetching import Unfetchable
from simulators.kie.config import ClipKind
from simulators.mp4 import jpeg_video, silent_sound, with_time_base
from studio.contracts.clip import CameraMove
from studio.media import animatic
from studio.media._ffmpeg import binary, feed

FPS = 24
TIME_BASE = 12_288
"""Units per second in a delivered file: ffmpeg's own choice for 24 fps, and not the 90,000 of our renderer."""

MADE_BY = f"{animatic.RENDERER_VERSION}, time base {TIME_BASE}"
"""Part of a cached clip's name: another renderer, other clips."""

HTML_PAGE = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>\n" * 40


@dataclass(frozen=True)
class ClipSpec:
    """What makes one clip differ from another. No still: a card of our own is filmed."""

    still: str | None
    move: CameraMove
    seconds: int
    width: int
    height: int
    strength: float
    kind: ClipKind = "good"

    @property
    def frames(self) -> int:
        """Kling delivers one frame more than seconds x rate: 121 for 5 s, 241 for 10 s."""
        return self.seconds * FPS + 1

    @property
    def name(self) -> str:
        told = f"{self.still}|{self.move}|{self.seconds}|{self.width}x{self.height}|{self.strength}|{MADE_BY}"
        return f"{self.kind}-{hashlib.sha256(told.encode()).hexdigest()[:32]}.mp4"


def draw(spec: ClipSpec, still: bytes | None, folder: Path, stop: threading.Event) -> Path:
    """Write the clip into the folder, whole or not at all. Blocks."""
    target = folder / spec.name
    if target.exists():
        return target
    part = folder / f".{uuid.uuid4().hex}.part.mp4"
    try:
        part.write_bytes(_content(spec, still, part, stop))
        if stop.is_set():
            raise InterruptedError("the simulator is being stopped")
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    return target


def _content(spec: ClipSpec, still: bytes | None, part: Path, stop: threading.Event) -> bytes:
    size = (spec.width, spec.height)
    match spec.kind:
        case "empty":
            return b""
        case "html":
            return HTML_PAGE
        case "audio_only":
            return silent_sound(spec.seconds)
        case "wrong_codec":
            cards = [_jpeg(card(*size, shift)) for shift in range(12)]
            return jpeg_video(
                [cards[frame % 12] for frame in range(spec.frames)], fps=FPS, width=size[0], height=size[1]
            )
        case "hevc":
            return _in_hevc(_video(part, still, spec.move, spec.frames, size, spec.strength, stop), part, stop)
        case "black":
            return _video(part, _png(Image.new("RGB", size)), spec.move, spec.frames, size, spec.strength, stop)
        case "frozen":
            return _video(part, still, CameraMove.STATIC, spec.frames, size, spec.strength, stop)
        case "wrong_length":
            return _video(part, still, spec.move, spec.frames // 2, size, spec.strength, stop)
        case "wrong_size":
            half = (max(16, size[0] // 4 * 2), max(16, size[1] // 4 * 2))
            return _video(part, still, spec.move, spec.frames, half, spec.strength, stop)
    video = _video(part, still, spec.move, spec.frames, size, spec.strength, stop)
    return video[: len(video) * 6 // 10] if spec.kind == "truncated" else video


def _video(
    part: Path,
    still: bytes | None,
    move: CameraMove,
    frames: int,
    size: tuple[int, int],
    strength: float,
    stop: threading.Event,
) -> bytes:
    picture = part.with_suffix(".still")
    try:
        picture.write_bytes(_whole(still) if still else _png(card(*size)))
        animatic.render_clip(
            picture,
            part,
            move=move,
            strength=strength,
            seconds=frames / FPS,
            fps=FPS,
            width=size[0],
            height=size[1],
            stop=stop,
        )
    finally:
        picture.unlink(missing_ok=True)
    return with_time_base(part.read_bytes(), TIME_BASE)


def _in_hevc(video: bytes, part: Path, stop: threading.Event) -> bytes:
    """The same pictures as H.265: any player shows them, and they are not what was ordered."""
    given, made = part.with_suffix(".h264.mp4"), part.with_suffix(".hevc.mp4")
    try:
        given.write_bytes(video)
        codec = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-tag:v", "hvc1")
        feed([binary(), "-i", str(given), *codec, str(made)], (), stop=stop)
        return made.read_bytes()
    finally:
        given.unlink(missing_ok=True)
        made.unlink(missing_ok=True)


def _whole(still: bytes) -> bytes:
    """The still, if it can be decoded to its last line: so far only its header was looked at."""
    try:
        with Image.open(BytesIO(still)) as image:
            image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise Unfetchable("the picture is damaged") from error
    return still


def card(width: int, height: int, shift: int = 0) -> Image.Image:
    """A picture on which every camera move shows: a slope of colours and a few rings."""
    slope = Image.linear_gradient("L").resize((width, height))
    image = Image.merge("RGB", (slope, slope.transpose(Image.Transpose.ROTATE_180), slope.point(lambda v: 90 + v // 3)))
    pen = ImageDraw.Draw(image)
    step = max(8, min(width, height) // 5)
    for place, left in enumerate(range(-step // 2 + shift, width, step)):
        top = (place * step * 3 // 4) % max(1, height)
        pen.ellipse(
            (left, top, left + step * 2 // 3, top + step * 2 // 3), outline=(250, 250, 240), width=max(1, step // 8)
        )
    return image


def _png(image: Image.Image) -> bytes:
    return _encoded(image, "PNG")


def _jpeg(image: Image.Image) -> bytes:
    return _encoded(image, "JPEG")


def _encoded(image: Image.Image, form: str) -> bytes:
    file = BytesIO()
    image.save(file, form)
    return file.getvalue()
