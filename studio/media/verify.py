"""Is this clip what was ordered? One that is empty, cut off, damaged, black, frozen or of another length is not.

Another codec or another size is a deviation: the clip can be conformed. Bytes that are no whole video say something
about this copy of the file, not yet about the clip: they raise `ClipUnreadable`.

The order of the checks is the order of their cost: what the container says (milliseconds), then one pass in which
every frame is decoded and a small grey picture of every eighth of a second is looked at.
"""

from dataclasses import dataclass
from pathlib import Path

import av.error
import numpy as np
from av.video.frame import VideoFrame

from studio.errors import BadClip, ClipUnreadable
from studio.media._reading import in_reader
from studio.media.planes import planes_of
from studio.media.probe import MediaInfo, faulty, opened, probe
from studio.media.watch import LOOKS_PER_SECOND, Floats, Watch

LENGTH_TOLERANCE = 0.35
"""Seconds. Providers round to their own frame counts: Kling makes 121 frames (5.04 s) of five seconds."""

SIDE_TOLERANCE = 0.10
ASPECT_TOLERANCE = 0.02
"""Providers round sizes to multiples of 8 or 16; another shape or another class of resolution is refused."""

BLACK_SHARE = 0.20
BLACK_SECONDS = 0.5
"""A clip may be black for the longer of the two: a fade from or to black is shorter, a fault is longer."""

_THUMBNAIL_WIDTH = 240
_BROKEN = ("cut off", "damaged")
"""Faults of the bytes, which another download of the same clip need not have."""


@dataclass(frozen=True)
class Ordered:
    """What a clip has to be."""

    seconds: float
    width: int
    height: int
    moving: bool
    """False for a static shot: only then may the picture stand still."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    kind: str
    """Comparable between clips: `codec hevc`, `size 1280x720`, `length 4`, `black`, `frozen`."""
    text: str
    """For people: "black for 4.2 s of 5.0 s"."""


@dataclass(frozen=True)
class Examined:
    """A clip that can be used as it is, or after it was conformed."""

    info: MediaInfo
    deviations: tuple[Fault, ...]
    """In which ways its format is another one than was ordered. Empty: in none."""


@dataclass(frozen=True)
class _Looked:
    """What one pass over all frames found."""

    decoded: int
    corrupt: int
    watch: Watch


@in_reader()
def verify_clip(path: Path, ordered: Ordered) -> MediaInfo:
    """Check a clip completely and return what it is.

    Raises `BadClip`; its message says in words everything that is wrong, for example "black for 4.2 s of 5.0 s".
    Blocking and CPU bound (0.3 to 0.7 s for 5 s at 1080p): call it in a thread.
    """
    info = probe(path)
    _refuse(path, _deviations(info, ordered) + _container_faults(info, ordered))
    _refuse(path, _picture_faults(info, ordered, _look(path, info)))
    return info


@in_reader()
def examine_clip(path: Path, ordered: Ordered) -> Examined:
    """The same for a clip that was paid for: a format that only has to be converted is no reason to refuse it.

    Raises `ClipUnreadable` when the bytes are no whole video, `BadClip` when the video is not what was ordered.
    """
    info = probe(path)
    _refuse(path, _container_faults(info, ordered))
    _refuse(path, _picture_faults(info, ordered, _look(path, info)))
    return Examined(info, tuple(_deviations(info, ordered)))


def _refuse(path: Path, faults: list[Fault]) -> None:
    if not faults:
        return
    message = f"{path.name}: {'; '.join(fault.text for fault in faults)}"
    if any(fault.kind in _BROKEN for fault in faults):
        raise faulty(ClipUnreadable(message), "damaged")
    raise faulty(BadClip(message), ", ".join(fault.kind for fault in faults))


def _container_faults(info: MediaInfo, ordered: Ordered) -> list[Fault]:
    faults = []
    if abs(info.seconds - ordered.seconds) > LENGTH_TOLERANCE:
        text = f"{info.seconds:.2f} s long instead of {ordered.seconds:g} s"
        faults.append(Fault(f"length {info.seconds:.0f}", text))
    if info.cut_off or info.frames > info.promised + 1:
        faults.append(Fault("cut off", f"cut off: {info.frames} of {info.promised} frames are there"))
    return faults


def _deviations(info: MediaInfo, ordered: Ordered) -> list[Fault]:
    found = []
    if info.codec != "h264":
        found.append(Fault(f"codec {info.codec}", f"encoded as {info.codec} instead of H.264"))
    if not _size_fits(info, ordered):
        text = f"{info.shown_width}x{info.shown_height} instead of {ordered.width}x{ordered.height}"
        found.append(Fault(f"size {info.shown_width}x{info.shown_height}", text))
    if info.turned:
        found.append(Fault("turned", "turned or mirrored by a tag that not every player and no join obeys"))
    if info.interlaced:
        found.append(Fault("interlaced", "interlaced"))
    if info.hdr or info.wide_gamut:
        found.append(Fault("hdr", "in high dynamic range or wide gamut instead of BT.709"))
    return found


def _size_fits(info: MediaInfo, ordered: Ordered) -> bool:
    if not info.width or not info.height:
        return False
    width = info.shown_height * info.shown_ratio
    shape = info.shown_ratio / (ordered.width / ordered.height)
    sides = (width / ordered.width, info.shown_height / ordered.height)
    # A little more than the tolerance, for sizes that are on it: 10 % of 36 pixels is 3.6.
    return abs(shape - 1) <= ASPECT_TOLERANCE + 1e-9 and all(abs(side - 1) <= SIDE_TOLERANCE + 1e-9 for side in sides)


def _look(path: Path, info: MediaInfo) -> _Looked:
    # Black is 16 and white 235 in video, 0 and 255 only when the file says "full range".
    black, white = (0, 255) if info.colour.range == 2 else (16, 235)
    shrink = max(1, round(info.width / _THUMBNAIL_WIDTH))
    watch = Watch(black, white, shrink)
    decoded = corrupt = 0
    start, next_look = None, 0.0
    with opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        for packet in container.demux(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                corrupt += 1
                continue
            for frame in frames:
                decoded += 1
                corrupt += frame.is_corrupt
                start = frame.time if start is None else start
                now = frame.time - start
                if now >= next_look - 1e-3:
                    watch.see(now, _thumbnail(frame, shrink))
                    next_look = now + 1 / LOOKS_PER_SECOND
    watch.end(info.seconds)
    return _Looked(decoded, corrupt, watch)


def _thumbnail(frame: VideoFrame, shrink: int) -> Floats:
    """The brightness of a frame, about 240 pixels wide; 0 to 255."""
    luma = planes_of(frame)[0]
    return np.asarray(luma.reduce(shrink), np.float32)


def _picture_faults(info: MediaInfo, ordered: Ordered, looked: _Looked) -> list[Fault]:
    faults = []
    missing = info.frames - looked.decoded
    if looked.corrupt or missing:
        broken = max(looked.corrupt, abs(missing))
        faults.append(Fault("damaged", f"damaged: {broken} of {info.frames} frames cannot be decoded cleanly"))
    dark = looked.watch.dark_seconds
    if dark > max(BLACK_SECONDS, BLACK_SHARE * info.seconds):
        faults.append(Fault("black", f"black for {dark:.1f} s of {info.seconds:.1f} s"))
    elif ordered.moving and (still := looked.watch.frozen(info.seconds)):
        until = "the end" if still.end >= info.seconds - 0.01 else f"{still.end:.1f} s"
        faults.append(Fault("frozen", f"frozen from {still.start:.1f} s to {until}"))
    return faults
