"""The beginning of a foreign text, as far as a payload has room for it."""

import re
from typing import Annotated

from pydantic import AfterValidator

LONGEST_REASON = 500
"""Characters of a reason. 500 clips with such reasons fit into one payload of Temporal (2 MiB) in any script."""
MOST_BYTES = 1_600
"""Bytes of it as JSON: 500 characters of Chinese have 1,500."""

_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def excerpt(text: str, *, characters: int = LONGEST_REASON, most_bytes: int = MOST_BYTES) -> str:
    """The text without control characters, cut with an ellipsis to so many characters and bytes as JSON."""
    clean = _UNPRINTABLE.sub(" ", text[: characters + 1])
    if len(clean) <= characters and _size(clean) <= most_bytes:
        return clean
    short = clean[: characters - 1]
    while _size(short) > most_bytes - 3:
        short = short[: len(short) - 1 - max(_size(short) - most_bytes, 0) // 6]
    return f"{short}…"


def _size(text: str) -> int:
    """Bytes as JSON: quotes, backslashes, tabs and line ends are written with a backslash."""
    return len(text.encode()) + sum(map(text.count, '"\\\n\t'))


Excerpt = Annotated[str, AfterValidator(excerpt)]
"""A reason for people, cut to what a payload has room for."""
