"""Forms with files (multipart/form-data), read from a body that is already there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message


@dataclass(frozen=True)
class Part:
    name: str
    filename: str | None
    content_type: str
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8", "replace")


def parts_of(content_type: str, body: bytes) -> dict[str, Part]:
    """The parts by name; nothing when this is no such form."""
    found = re.match(r'multipart/form-data;.*boundary="?([^";]+)"?', content_type, re.IGNORECASE)
    return {part.name: part for part in _parts(found.group(1).encode(), body)} if found else {}


def _parts(boundary: bytes, body: bytes) -> Iterator[Part]:
    for piece in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, gap, data = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not gap:
            continue  # the end mark
        header = _headers(head.decode("utf-8", "replace"))
        name = header.get_param("name", header="content-disposition")
        if isinstance(name, str):
            yield Part(name, header.get_filename(), header.get_content_type(), data)


def _headers(text: str) -> Message:
    message = Message()
    for line in text.split("\r\n"):
        key, _, value = line.partition(":")
        message[key.strip()] = value.strip()
    return message
