"""Single frames of a clip as pictures, exact to the frame and true in colour."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from studio.errors import BadClip
from studio.media._reading import in_reader
from studio.media.colour import Planes, to_image
from studio.media.planes import planes_of
from studio.media.probe import opened, probe

_LOOK_BACK = (1, 5, 30)
"""Seconds before the end where the search for the last frame begins; the next is tried when one finds nothing."""

Pixels = tuple[str, tuple[int, int], bytes]
"""Mode, size and bytes of a picture, as it comes from a reader."""


def last_frame(path: Path) -> Image.Image:
    """The last frame that is shown: the still from which the next segment goes on.

    Right also when sound is longer than the picture, with one key frame per file, and with a gap before the end,
    where ffmpeg's `-sseof` and `-ss` give other frames or none. Raises `BadClip` when the end cannot be decoded.
    """
    return _image(_last_frame(path))


@in_reader(BadClip)
def _last_frame(path: Path) -> Pixels:
    with opened(path) as (container, stream):
        # The end of the video stream; the container's counts longer sound.
        start, tick = stream.start_time or 0, stream.time_base
        end = start + (stream.duration or 0)
        for begin in (*(end - int(seconds / tick) for seconds in _LOOK_BACK if tick), start):
            if found := deque(_frames_from(path, container, stream, begin), maxlen=1):
                return _pixels(_picture(found[0], planes_of(found[0])))
    raise BadClip(f"{path.name}: not one frame of it can be decoded")


def frame_at(path: Path, fraction: float, *, within: tuple[int, int] | None = None) -> Image.Image:
    """The frame that is shown at `fraction` of the clip: 0 is the first, 1 the last.

    `within` makes it smaller, to fit a width and a height; its shape stays. Raises `BadClip`.
    """
    return _image(_frame_at(path, fraction, within))


@in_reader(BadClip)
def _frame_at(path: Path, fraction: float, within: tuple[int, int] | None) -> Pixels:
    if fraction >= 1:
        return _pixels(_fitted(last_frame(path), within))
    seconds = probe(path).seconds * max(0.0, fraction)
    with opened(path) as (container, stream):
        wanted = (stream.start_time or 0) + int(seconds / (stream.time_base or 1))
        shown = None
        for frame in _frames_from(path, container, stream, wanted):
            if shown is not None and (frame.pts or 0) > wanted:
                break
            shown = frame
    if shown is None:
        raise BadClip(f"{path.name}: there is no frame at {fraction:.0%} of it")
    y, u, v = planes_of(shown)
    # Smaller first, converted then: forty times less to convert for a contact sheet.
    return _pixels(_picture(shown, (_fitted(y, within), u, v)))


def _frames_from(path: Path, container: InputContainer, stream: VideoStream, tick: int) -> Iterator[VideoFrame]:
    """Decoded frames from the key frame at or before `tick` to the end."""
    stream.thread_type = "AUTO"
    try:
        container.seek(max(stream.start_time or 0, tick), stream=stream, backward=True, any_frame=False)
        yield from container.decode(stream)
    except av.error.FFmpegError as error:
        raise BadClip(f"{path.name}: it cannot be decoded ({error})") from error


def _picture(frame: VideoFrame, planes: Planes) -> Image.Image:
    return to_image(planes, matrix=int(frame.colorspace), full_range=int(frame.color_range) == 2)


def _pixels(image: Image.Image) -> Pixels:
    return image.mode, image.size, image.tobytes()


def _image(pixels: Pixels) -> Image.Image:
    return Image.frombytes(*pixels)


def _fitted(image: Image.Image, within: tuple[int, int] | None) -> Image.Image:
    if within is None:
        return image
    scale = min(1.0, within[0] / image.width, within[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.BOX)
