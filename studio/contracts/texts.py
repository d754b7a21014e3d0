"""Texts of people and of other services: what may stand in them, and how they are shown."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, WithJsonSchema

MIME_TYPES = (
    *("image/png", "image/jpeg", "image/webp", "image/gif", "image/avif", "image/heic", "image/heif"),
    *("image/tiff", "image/bmp"),
    *("video/mp4", "video/webm", "video/quicktime", "video/x-matroska"),
    *("audio/mpeg", "audio/mp4", "audio/aac", "audio/flac", "audio/ogg", "audio/wav", "audio/webm"),
    *("text/plain", "text/vtt", "application/json", "application/zip"),
)
"""Types a file in the object store may have. They reach headers and file names, so they are no free text."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""C0 and C1 control characters but tab and newline."""
_OVERRIDE = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
"""Bidirectional embeddings, overrides and isolates: with them a text reads otherwise than it is."""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#|~!])")


def without_controls(text: str) -> str:
    """The text, if no control character but tab and newline stands in it.

    Raises:
        ValueError: one does; the message says which, and where.
    """
    return _without(_CONTROL, text.replace("\r\n", "\n"))


def readable(text: str) -> str:
    """The text, if it holds neither control characters nor marks that turn the direction of writing.

    Raises:
        ValueError: one does; the message says which, and where.
    """
    return _without(_OVERRIDE, without_controls(text))


def _without(unwanted: re.Pattern[str], text: str) -> str:
    found = unwanted.search(text)
    if found is None:
        return text
    name = unicodedata.name(found[0], "a control character")
    raise ValueError(f"character {found.start() + 1} is U+{ord(found[0]):04X} ({name.lower()}): leave it out")


def _listed(mime: str) -> str:
    if mime not in MIME_TYPES:
        raise ValueError(f"this type of file is not known; known are {', '.join(MIME_TYPES)}")
    return mime


Title = Annotated[str, StringConstraints(max_length=200), AfterValidator(readable)]
"""A title for people."""

MimeType = Annotated[str, AfterValidator(_listed), WithJsonSchema({"type": "string", "enum": list(MIME_TYPES)})]
"""A media type of `MIME_TYPES`."""

NOTION_PAGE = r"^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$"
NotionPage = Annotated[str, StringConstraints(pattern=NOTION_PAGE)]
"""The id of a Notion page: 32 hexadecimal digits, with or without dashes. It becomes part of an address."""


def printable(text: str) -> str:
    """A text for a terminal: control characters and direction marks become visible, so that they do nothing."""
    return _OVERRIDE.sub(_escaped, _CONTROL.sub(_escaped, text))


def markdown(text: str) -> str:
    """A text of others for Temporal's web UI, which shows Markdown: it is shown as it is, and links nowhere."""
    return _MARKDOWN.sub(r"\\\1", printable(text)).replace("://", ":\\//")


def _escaped(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
