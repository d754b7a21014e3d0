"""MP4 files by hand: change a file's time base, and write the odd kinds no encoder of ours makes."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CONTAINERS = frozenset({b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts"})
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)


class UnfitFile(Exception):
    """The file is not laid out the way this module expects."""


# ── another time base ────────────────────────────────────────────────────


def with_time_base(data: bytes, units: int) -> bytes:
    """The same frames at the same moments, counted in 1/`units` of a second: the file differs in nothing else."""
    video = bytearray(data)
    boxes = list(_boxes(video, 0, len(video)))
    headers = [box for box in boxes if box.name == b"mdhd"]
    if len(headers) != 1:
        raise UnfitFile(f"{len(headers)} tracks, not one")
    media = headers[0]
    wide = video[media.start] == 1
    place = media.start + (20 if wide else 12)
    old = int(struct.unpack_from(">I", video, place)[0])

    def scaled(value: int) -> int:
        if value * units % old:
            raise UnfitFile(f"{value}/{old} s is no whole number of 1/{units} s")
        return value * units // old

    struct.pack_into(">I", video, place, units)
    _patch(video, place + 4, ">Q" if wide else ">I", scaled)
    for box in boxes:
        if box.name in (b"stts", b"ctts"):
            signed = box.name == b"ctts" and video[box.start] == 1
            for entry in range(_count(video, box)):
                _patch(video, box.start + 8 + entry * 8 + 4, ">i" if signed else ">I", scaled)
        elif box.name == b"elst":
            _scale_edits(video, box, scaled)
    return bytes(video)


@dataclass(frozen=True)
class _Box:
    name: bytes
    start: int
    end: int


def _boxes(video: bytearray, start: int, end: int) -> Iterator[_Box]:
    while start + 8 <= end:
        (size,) = struct.unpack_from(">I", video, start)
        name, head = bytes(video[start + 4 : start + 8]), 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", video, start + 8)
            head = 16
        if size < head or start + size > end:
            raise UnfitFile(f"box {name!r} has size {size}")
        box = _Box(name, start + head, start + size)
        yield box
        if name in CONTAINERS:
            yield from _boxes(video, box.start, box.end)
        start += size


def _count(video: bytearray, box: _Box) -> int:
    return int(struct.unpack_from(">I", video, box.start + 4)[0])


def _scale_edits(video: bytearray, box: _Box, scaled: Callable[[int], int]) -> None:
    wide = video[box.start] == 1
    size = 20 if wide else 12
    for entry in range(_count(video, box)):
        place = box.start + 8 + entry * size + (8 if wide else 4)
        form = ">q" if wide else ">i"
        if struct.unpack_from(form, video, place)[0] >= 0:  # -1 is an empty edit
            _patch(video, place, form, scaled)


def _patch(video: bytearray, place: int, form: str, scaled: Callable[[int], int]) -> None:
    struct.pack_into(form, video, place, scaled(struct.unpack_from(form, video, place)[0]))


# ── odd files ────────────────────────────────────────────────────────────


def jpeg_video(frames: list[bytes], *, fps: int, width: int, height: int) -> bytes:
    """A video whose pictures are JPEGs: it plays, but its codec is not the one that was ordered."""
    entry = _box(
        b"jpeg",
        bytes(6) + _u16(1) + bytes(16) + struct.pack(">HHIIIH", width, height, 72 << 16, 72 << 16, 0, 1),
        bytes(32) + struct.pack(">Hh", 24, -1),
    )
    header = _full(b"vmhd", bytes(8), flags=1)
    return _one_track(frames, ticks=1, per_second=fps, kind=b"vide", header=header, entry=entry, size=(width, height))


def silent_sound(seconds: float, *, rate: int = 8000) -> bytes:
    """A video without pictures: seconds of silence, 16 bits, one channel."""
    blocks = [bytes(rate * 2 // 10)] * max(1, round(seconds * 10))
    entry = _box(b"sowt", bytes(6) + _u16(1) + bytes(8) + struct.pack(">HHHHI", 1, 16, 0, 0, rate << 16))
    header = _full(b"smhd", bytes(4))
    samples = [bytes(2)] * (rate // 10 * len(blocks))
    return _one_track(samples, ticks=1, per_second=rate, kind=b"soun", header=header, entry=entry, size=(0, 0))


def _one_track(
    samples: list[bytes],
    *,
    ticks: int,
    per_second: int,
    kind: bytes,
    header: bytes,
    entry: bytes,
    size: tuple[int, int],
) -> bytes:
    length = len(samples) * ticks
    brand = _box(b"ftyp", b"qt  " + _u32(512) + b"qt  ")
    body = b"".join(samples)
    sizes = {len(sample) for sample in samples}
    same = sizes.pop() if len(sizes) == 1 else 0
    table = _box(
        b"stbl",
        _full(b"stsd", _u32(1), entry),
        _full(b"stts", struct.pack(">III", 1, len(samples), ticks)),
        _full(b"stsc", struct.pack(">IIII", 1, 1, len(samples), 1)),
        _full(b"stsz", _u32(same), _u32(len(samples)), *([] if same else [_u32(len(s)) for s in samples])),
        _full(b"stco", struct.pack(">II", 1, len(brand) + 8)),
    )
    reference = _box(b"dinf", _full(b"dref", _u32(1), _full(b"url ", flags=1)))
    media = _box(
        b"mdia",
        _full(b"mdhd", struct.pack(">IIIIHH", 0, 0, per_second, length, 0x55C4, 0)),
        _full(b"hdlr", b"mhlr" + kind + bytes(12) + b"\0"),
        _box(b"minf", header, reference, table),
    )
    shape = struct.pack(">II", size[0] << 16, size[1] << 16)
    track = _full(b"tkhd", struct.pack(">IIIII", 0, 0, 1, 0, length), bytes(16), MATRIX, shape, flags=7)
    movie = _full(
        b"mvhd", struct.pack(">IIIIIH", 0, 0, per_second, length, 0x10000, 0x100), bytes(10), MATRIX, bytes(24), _u32(2)
    )
    return brand + _box(b"mdat", body) + _box(b"moov", movie, _box(b"trak", track, media))


def _box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return _u32(8 + len(body)) + name + body


def _full(name: bytes, *parts: bytes, flags: int = 0) -> bytes:
    return _box(name, _u32(flags), *parts)


def _u16(value: int) -> bytes:
    return struct.pack(">H", value)


def _u32(value: int) -> bytes:
    return struct.pack(">I", value)
