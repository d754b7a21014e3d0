"""Picture files as bytes: cutting metadata out without touching the picture, and naming files that are no picture."""

import struct

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"pHYs"})
"""Chunks that say what the pixels are (https://www.w3.org/TR/png-3/#11Chunks); the others are metadata."""
_JPEG_DROPPED = frozenset([*range(0xE1, 0xEE), 0xEF, 0xFE])
"""APP1 to APP13, APP15 and comments. APP0 (JFIF) and APP14 (Adobe) say how colours are coded."""
_NO_LENGTH = frozenset([0x01, *range(0xD0, 0xD9)])


def without_metadata(content: bytes) -> bytes | None:
    """The same picture, bit for bit, without metadata and without what follows its end.

    None when the file is no PNG of 8-bit RGB or grey and no JPEG, or ends before its picture does.
    """
    if content.startswith(_PNG):
        return _plain_png(content)
    if content.startswith(b"\xff\xd8"):
        return _plain_jpeg(content)
    return None


def _plain_png(content: bytes) -> bytes | None:
    depth, colour = content[24], content[25]
    if depth != 8 or colour not in (0, 2):
        return None
    kept, place = [_PNG], len(_PNG)
    while place + 12 <= len(content):
        length = struct.unpack_from(">I", content, place)[0]
        kind, end = content[place + 4 : place + 8], place + 12 + length
        if kind in _PNG_KEPT:
            kept.append(content[place:end])
        if kind == b"IEND":
            return b"".join(kept)
        place = end
    return None


def _plain_jpeg(content: bytes) -> bytes | None:
    """The segments up to the end of the first picture; a missing end marker is added."""
    kept, place = [b"\xff\xd8"], 2
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            return None
        marker = content[place + 1]
        if marker == 0xFF:  # a fill byte
            place += 1
        elif marker == 0xD9:
            break
        elif marker in _NO_LENGTH:
            place += 2
        else:
            end = place + 2 + int(struct.unpack_from(">H", content, place + 2)[0])
            end = _end_of_scan(content, end) if marker == 0xDA else end
            if marker not in _JPEG_DROPPED:
                kept.append(content[place:end])
            place = end
    return b"".join([*kept, b"\xff\xd9"])


def with_end_marker(content: bytes) -> bytes:
    """A baseline JPEG that lacks only its end marker, with one; anything else as it is.

    Some cameras and network tools drop the marker, and picture viewers accept that. Of a progressive JPEG it cannot
    be known whether more than the marker is missing.
    """
    if not content.startswith(b"\xff\xd8") or b"\xff\xd9" in content[-64:] or b"\xff\xc2" in content[:64_000]:
        return content
    plain = _plain_jpeg(content)
    return content + b"\xff\xd9" if plain is not None and _scan_reaches_end(content) else content


def _scan_reaches_end(content: bytes) -> bool:
    """Whether the last coded picture runs to the end of the file."""
    start = content.rfind(b"\xff\xda")
    return start > 0 and _end_of_scan(content, start + 2) == len(content)


def _end_of_scan(content: bytes, place: int) -> int:
    """Where the coded picture after a start-of-scan segment ends: at the next marker that is no restart marker."""
    while (place := content.find(b"\xff", place)) >= 0:
        following = content[place + 1] if place + 1 < len(content) else 0xD9
        if following != 0 and following != 0xFF and not 0xD0 <= following <= 0xD7:
            return place
        place += 1 if following == 0xFF else 2
    return len(content)


_SIGNS: tuple[tuple[int, bytes, str], ...] = (
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftyphevc", "HEIC"),
    (4, b"ftypheif", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypmsf1", "HEIF"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftypcrx", "Canon raw (CR3)"),
    (4, b"ftypqt", "a QuickTime video"),
    (4, b"ftyp", "an MP4 video"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"8BPS", "Photoshop"),
    (0, b"%PDF", "PDF"),
    (0, b"gimp xcf", "GIMP"),
    (0, b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"qoif", "QOI"),
    (0, b"\x89PNG", "a damaged PNG"),
    (0, b"\xff\xd8", "a damaged JPEG"),
    (0, b"GIF8", "a damaged GIF"),
    (8, b"WEBP", "a damaged WebP"),
    (8, b"WAVE", "a sound file"),
    (0, b"ID3", "a sound file"),
    (0, b"OggS", "a sound file"),
    (0, b"fLaC", "a sound file"),
)


_EXPORT = "export it as PNG or JPEG"
_BY_COMMAND = f"{_EXPORT}, for example with ImageMagick: `magick FILE picture.png`"
_HOW_TO_CONVERT = {
    **dict.fromkeys(("HEIC", "HEIF"), f"{_BY_COMMAND}, on a Mac: `sips -s format png FILE --out picture.png`"),
    **dict.fromkeys(
        ("AVIF", "JPEG XL", "Photoshop", "GIMP", "OpenEXR", "Radiance HDR", "QOI", "PDF", "Canon raw (CR3)"),
        _BY_COMMAND,
    ),
    **dict.fromkeys(
        ("a QuickTime video", "an MP4 video", "a WebM or Matroska video"),
        "take a picture out of it: `ffmpeg -i FILE -frames:v 1 picture.png`",
    ),
}


def why_unreadable(content: bytes) -> str:
    """A sentence about a file that Pillow does not read: what it is, and what to do."""
    kind = next((name for at, sign, name in _SIGNS if content[at:].startswith(sign)), None)
    start = content[:2_000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if kind is None and (b"<svg" in start):
        kind = "SVG, a drawing without pixels"
    elif kind is None and start.startswith((b"<!doctype", b"<html", b"<head", b"<body")):
        kind = "a web page"
    elif kind is None and start.startswith(b"<?xml"):
        kind = "XML"
    elif kind is None and start.startswith((b"{", b"[")):
        kind = "JSON"
    if kind is None:
        return "not a picture; export it as PNG or JPEG"
    if kind in ("a sound file", "a web page", "JSON", "XML", "a zip archive", "gzip data"):
        return f"this is {kind}, no picture"
    if kind.startswith("a damaged"):
        return f"{kind} file; export it again"
    return f"this is {kind}; {_HOW_TO_CONVERT.get(kind, _EXPORT)}"
