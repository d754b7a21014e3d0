"""The markers in the titles of a user's nodes: `in:prompt`, `in:split=end_at_step`, `out:video`."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from comfy_workflows.check import name_of
from studio.errors import InvalidRequest

USUAL: Mapping[str, tuple[str, ...]] = {
    "prompt": ("text", "prompt", "value", "string"),
    "negative": ("text", "negative_prompt", "value", "string"),
    "image": ("image",),
    "seed": ("seed", "noise_seed", "value"),
    "width": ("width", "value"),
    "height": ("height", "value"),
    "length": ("length", "num_frames", "frames", "value"),
    "seconds": ("seconds", "duration", "duration_seconds", "value"),
    "fps": ("fps", "frame_rate", "value"),
    "steps": ("steps", "value"),
    "cfg": ("cfg", "guidance", "value"),
    "split": (),
}
"""Marker → what the input is usually called; the first one the node has counts."""
OUTPUTS = ("video", "image")

_PLACE = re.compile(r"(?<![A-Za-z0-9_-])(in|out)(\s*:\s*)([^\s,;()\[\]{}<>|/\u2e80-\U0010ffff]+)", re.IGNORECASE)
"""A word ends where writing without spaces goes on."""
_MARKER = re.compile(r"([a-z]+)(\d*)(?:=([\w.]+))?", re.IGNORECASE)


class Marker(NamedTuple):
    """One marker of a title: `out:video`, `in:image2`, `in:split=end_at_step`."""

    node: str
    way: str
    what: str
    number: int
    input: str | None


def markers_of(node: str, content: Mapping[str, Any]) -> Iterator[Marker]:
    """What the title of a node says.

    Full-width letters and colons count as their plain forms, and invisible characters are not there. White space may
    stand around the colon; then other words than markers are just words: "Zoom in: slowly".

    Raises:
        InvalidRequest: `in:` or `out:` with something that is no marker.
    """
    for way, colon, word in _PLACE.findall(_plain_title(content)):
        way, word = way.lower(), word.rstrip(".:!?")
        known = USUAL if way == "in" else OUTPUTS
        found = _MARKER.fullmatch(word)
        what, number, wanted = found.groups() if found else ("", "", None)
        if what.lower() in known and (not number or what.lower() == "image"):
            yield Marker(node, way, what.lower(), int(number or 1), wanted)
        elif colon == ":":
            raise InvalidRequest(
                f"{name_of(node, content)}: {way}:{word} is no marker; known are "
                f"{', '.join(f'{way}:{one}' for one in known)}"
            )


def _plain_title(content: Mapping[str, Any]) -> str:
    meta = content.get("_meta")
    title = unicodedata.normalize("NFKC", str(meta.get("title") or "")) if isinstance(meta, Mapping) else ""
    return "".join(character for character in title if unicodedata.category(character) != "Cf")
