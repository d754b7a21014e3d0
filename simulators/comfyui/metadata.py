"""Words inside a file: PNG tEXt chunks and MP4 metadata, put in without touching the picture."""

import struct
import zlib
from collections.abc import Mapping

_PNG_HEADER = 8 + 25
"""Signature and IHDR."""


def in_png(data: bytes, words: Mapping[str, str]) -> bytes:
    """The same picture with one tEXt chunk per word; the text has to be Latin-1."""
    chunks = b"".join(_chunk(b"tEXt", f"{key}\0{text}".encode("latin-1")) for key, text in words.items())
    return data[:_PNG_HEADER] + chunks + data[_PNG_HEADER:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def in_mp4(data: bytes, words: Mapping[str, str]) -> bytes:
    """The same video with a `meta` box of keys in its `moov`, which stands at the end, as with the real server: a file
    that is only half there cannot be decoded."""
    start, end = _box(data, b"moov")
    added = _meta(words) if words else b""
    moov = bytearray(data[start:end])
    moov[:4] = struct.pack(">I", len(moov) + len(added))
    if start < _box(data, b"mdat")[0]:
        _shift(moov, start - end)
    return data[:start] + data[end:] + bytes(moov) + added


def _box(data: bytes, wanted: bytes) -> tuple[int, int]:
    place = 0
    while place + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, place)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, place + 8)
        size = size or len(data) - place
        if data[place + 4 : place + 8] == wanted:
            return place, place + size
        place += size
    raise ValueError(f"no {wanted!r} box")


def _shift(moov: bytearray, by: int) -> None:
    for name, form, width in ((b"stco", ">I", 4), (b"co64", ">Q", 8)):
        place = moov.find(name)
        while place >= 0:
            (count,) = struct.unpack_from(">I", moov, place + 8)
            for entry in range(count):
                where = place + 12 + entry * width
                struct.pack_into(form, moov, where, struct.unpack_from(form, moov, where)[0] + by)
            place = moov.find(name, place + 12 + count * width)


def _meta(words: Mapping[str, str]) -> bytes:
    handler = _full(b"hdlr", bytes(4) + b"mdta" + bytes(12) + b"\0")
    keys = b"".join(struct.pack(">I", 8 + len(key)) + b"mdta" + key for key in (word.encode() for word in words))
    values = b"".join(
        _plain(struct.pack(">I", number), _plain(b"data", struct.pack(">II", 1, 0) + text.encode()))
        for number, text in enumerate(words.values(), 1)
    )
    return _plain(b"meta", handler + _full(b"keys", struct.pack(">I", len(words)) + keys) + _plain(b"ilst", values))


def _plain(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", 8 + len(body)) + kind + body


def _full(kind: bytes, body: bytes) -> bytes:
    return _plain(kind, bytes(4) + body)
