"""What is in a video file: a frozen description, read once, so that nobody opens the file again to ask.

There is no ffprobe in the house: PyAV reads the container itself.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from studio.errors import BadClip, ClipUnreadable
from studio.media._reading import in_reader

_MOST_THREADS = 4
_READABLE = "mov,matroska"
"""MP4 and its relatives, WebM and its. Others stay unread: a playlist from outside could name other files."""


@dataclass(frozen=True)
class ColourTags:
    """How the numbers in the file mean colours: the code points of ITU-T H.273; range 1 is limited, 2 full.

    1 everywhere is BT.709 as this house writes it; in matrix, primaries and transfer 2 is "not said", in range 0.
    """

    range: int
    matrix: int
    primaries: int
    transfer: int


_HDR_TRANSFERS = (16, 18)
"""H.273 transfer characteristics of high dynamic range: PQ (SMPTE ST 2084) and HLG (ARIB STD-B67)."""
_WIDE_PRIMARIES = (9, 11, 12)
"""H.273 colour primaries wider than BT.709: BT.2020, DCI P3, Display P3."""
_UPRIGHT = (65_536, 0, 0, 0, 65_536, 0, 0, 0, 1 << 30)
"""The display matrix that changes nothing (ISO/IEC 14496-12, 8.3.2)."""


@dataclass(frozen=True)
class MediaInfo:
    """A file's first video stream that is no cover picture, and whether there is sound."""

    container: str
    codec: str
    profile: str
    width: int
    height: int
    pix_fmt: str
    sample_aspect_ratio: Fraction
    fps: Fraction
    """Average frames per second; 0 when the file does not say."""
    time_base: Fraction
    """Length of one tick of the video stream's timestamps in seconds."""
    frames: int
    """Packets that are in the file and shown, counted one by one: what the header claims may not be there."""
    seconds: float
    """Length of the video stream as its header says, or to the end of its last frame if that is later. The
    container's length would include longer sound."""
    colour: ColourTags
    has_audio: bool
    hidden: int
    """Packets that an edit list cuts away: a stream copy would show them again."""
    longest_frame: float
    """How long the longest frame is shown, in seconds: more than 1 / fps is a gap or a variable rate."""
    reorder: int = 0
    """How many frames a decoder holds back: 0 without B-frames. Copies of streams that differ in it overlap in time."""
    turned: bool = False
    """A display matrix turns or mirrors the picture. Players obey it, and a stream copy loses or spreads it."""
    sideways: bool = False
    """That matrix swaps width and height."""
    interlaced: bool = False
    unreached: float = 0.0
    """Seconds from the end of the last shown frame to the end that the header promises."""
    streams: int = 1
    """Of every kind: pictures, sound, covers, timecode and other data."""

    @property
    def promised(self) -> int:
        """How many frames the header's length and rate mean; a file cut off in the middle has fewer."""
        return round(self.seconds * self.fps)

    @property
    def cut_off(self) -> bool:
        """Fewer frames are there than the header promises: the file was not written, or not downloaded, to its end.

        One frame of difference is rounding. A stream copy that ended between key frames lacks some of the B-frames
        before its last frame, at most as many as a decoder reorders, though that frame is where the header says.
        """
        reaches_end = self.unreached * self.fps <= 1
        return self.frames < max(1, self.promised - 1 - (self.reorder if reaches_end else 0))

    @property
    def shown_width(self) -> int:
        """Width in coded pixels of the picture as players turn it."""
        return self.height if self.sideways else self.width

    @property
    def shown_height(self) -> int:
        """Height in coded pixels of the picture as players turn it."""
        return self.width if self.sideways else self.height

    @property
    def shown_ratio(self) -> float:
        """Width by height as players show it, pixels' own shape included; 0 when a side is unknown."""
        if not self.width or not self.height:
            return 0.0
        ratio = float(self.width * self.sample_aspect_ratio / self.height)
        return 1 / ratio if self.sideways else ratio

    @property
    def hdr(self) -> bool:
        """High dynamic range: shown without tone mapping it looks grey."""
        return self.colour.transfer in _HDR_TRANSFERS

    @property
    def wide_gamut(self) -> bool:
        """Primaries beyond BT.709: shown without conversion the colours look pale."""
        return self.colour.primaries in _WIDE_PRIMARIES


def faulty(bad: BadClip, fault: str) -> BadClip:
    """The same error, with the kind of what is wrong."""
    bad.fault = fault
    return bad


@contextmanager
def opened(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """A video file and its first video stream, open for reading.

    Raises `ClipUnreadable` with the reason in words when there is no such file or it is not a video, `BadClip` when
    it has sound only. What goes wrong while reading on is PyAV's `FFmpegError` and the caller's to explain.
    """
    if reason := _why_not_a_video(path):
        raise ClipUnreadable(f"{path.name}: {reason}")
    options = {"format_whitelist": _READABLE, "protocol_whitelist": "file"}
    try:
        # Tags may be in any encoding: "strict", the default, would refuse a good clip for its title.
        container = av.open(str(path), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError) as error:
        raise ClipUnreadable(f"{path.name}: {_why_unreadable(path)}") from error
    with container:
        pictures = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
        if not pictures:
            raise faulty(BadClip(f"{path.name}: there is no video in it, only sound or a cover"), "no picture")
        # Each further thread of a decoder keeps frames of its own in memory.
        pictures[0].codec_context.thread_count = min(_MOST_THREADS, os.cpu_count() or 1)
        yield container, pictures[0]


@in_reader()
def probe(path: Path) -> MediaInfo:
    """Read what a file says about itself and count its packets; takes milliseconds, decodes nothing.

    Raises `ClipUnreadable` with a reason people understand for a file that is missing, empty, a web page or cut off
    before its index, `BadClip` for one without a picture.
    """
    with opened(path) as (container, stream):
        try:
            times, hidden = _packets(container, stream)
        except av.error.FFmpegError as error:
            raise ClipUnreadable(f"{path.name}: it cannot be read to its end ({error})") from error
        info = _described(container, stream, sorted(times), hidden)
    with opened(path) as (container, stream):
        return _with_first_frame(info, container, stream)


def _with_first_frame(info: MediaInfo, container: InputContainer, stream: VideoStream) -> MediaInfo:
    """With what only a decoded frame says: how it is turned, and whether it is interlaced."""
    try:
        frame = next(container.decode(stream), None)
    except av.error.FFmpegError:
        frame = None
    if frame is None:
        return info
    matrix = _display_matrix(frame)
    return replace(
        info,
        turned=matrix != _UPRIGHT,
        sideways=abs(matrix[0]) < abs(matrix[1]),
        interlaced=bool(frame.interlaced_frame),
        # Streams that do not say it are known better once the decoder has seen a picture.
        reorder=max(info.reorder, int(stream.codec_context.reorder_depth)),
    )


def _display_matrix(frame: VideoFrame) -> tuple[int, ...]:
    found: Any = frame.side_data  # PyAV's own types know motion vectors only; its keys are positions
    for place in range(len(found)):
        data = found[place]
        if data.type.name == "DISPLAYMATRIX" and data.buffer_size >= 36:
            return struct.unpack("<9i", bytes(data)[:36])
    return _UPRIGHT


def _described(container: InputContainer, stream: VideoStream, times: list[tuple[int, int]], hidden: int) -> MediaInfo:
    codec = stream.codec_context
    tick = stream.time_base or Fraction(1, 90_000)
    shown_until = [later for later, _ in times[1:]] + [pts + duration for pts, duration in times[-1:]]
    longest = max((end - start for (start, _), end in zip(times, shown_until, strict=True)), default=0)
    # Headers of files with gaps leave the gaps out; headers of files cut off go on beyond the last frame.
    there = shown_until[-1] - times[0][0] if times else 0
    length = max(stream.duration or 0, there)
    return MediaInfo(
        container=container.format.name,
        codec=codec.name,
        profile=codec.profile or "",
        width=codec.width,
        height=codec.height,
        pix_fmt=codec.pix_fmt or "",
        sample_aspect_ratio=codec.sample_aspect_ratio or Fraction(1),
        fps=stream.average_rate or Fraction(0),
        time_base=tick,
        frames=len(times),
        seconds=float(length * tick),
        colour=ColourTags(
            int(codec.color_range), int(codec.colorspace), int(codec.color_primaries), int(codec.color_trc)
        ),
        has_audio=bool(container.streams.audio),
        hidden=hidden,
        longest_frame=float(longest * tick),
        reorder=int(codec.reorder_depth),
        unreached=float((length - there) * tick),
        streams=len(container.streams),
    )


def _packets(container: InputContainer, stream: VideoStream) -> tuple[list[tuple[int, int]], int]:
    """Start and duration of each shown packet in ticks, in file order, and how many are never shown."""
    times: list[tuple[int, int]] = []
    hidden = 0
    for packet in container.demux(stream):
        if not packet.size or packet.pts is None:
            continue  # the empty packet that PyAV sends at the end, to flush decoders
        if packet.is_discard:
            hidden += 1
        else:
            times.append((packet.pts, packet.duration or 0))
    return times, hidden


def _why_not_a_video(path: Path) -> str:
    """The reason, or nothing. A download that went wrong is most often empty or a page of the provider's."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        return f"the file cannot be opened ({error.strerror})"
    if not head:
        return "the file is empty"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return "it is a web page, not a video"
    if start in (b"{", b"["):
        return "it is a JSON answer, not a video"
    return ""


def _why_unreadable(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(12)
    if head[4:8] == b"ftyp":
        return "it is cut off: the index of the MP4 (moov), written last, is missing"
    return "it is not a video file"
