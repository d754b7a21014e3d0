"""Answers as no honest service gives them: recorded ones with parts replaced by what readers stumble over."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SAMPLES = Path(__file__).parent / "samples"

_RAW = {
    "@deep list@": "[" * 30_000 + "]" * 30_000,
    "@deep object@": '{"a":' * 30_000 + "1" + "}" * 30_000,
    "@huge@": "7" * 5_000,
    "@huge exponent@": "1e99999",
    "@minus@": "-" + "7" * 400,
    "@nan@": "NaN",
    "@infinity@": "-Infinity",
    "@lone surrogate@": '"\\ud800x"',
    "@nul@": '"a\\u0000b\\u202ec\\u009b"',
}
"""Placeholders → what stands there in the JSON text."""

VALUES: tuple[Any, ...] = (
    *_RAW,
    None,
    True,
    False,
    0,
    -1,
    1.5,
    1e30,
    2**70,
    "",
    " ",
    "NaN",
    "sNaN",
    "-1e999999",
    "9" * 5_000,
    "http://[",
    "http://x.example:99999999/a.mp4",
    "https://\ud800.example/a.mp4",
    "//",
    "9999-12-31T23:59:59-23:59",
    "0001-01-01T00:00:00+23:59",
    "\x00",
    "{",
    '{"callBackUrl": "http://["}',
    '{"resultUrls": [[[{"url": {}}]]]}',
    "[" * 30_000,
    '{"a":' * 2_000 + "1" + "}" * 2_000,
    "x" * 100_000,
    [],
    {},
    [None],
    [[]],
    {"": {"": []}},
    {"message": {"message": [1, {"message": "policy"}]}},
    [{"type": "output", "filename": 7}, "x", 3],
)
_KEYS = (
    "state",
    "status",
    "data",
    "resultJson",
    "taskId",
    "code",
    "outputs",
    "messages",
    "errors",
    "images",
    "",
    "\x00",
)


def samples(*folders: str) -> list[Any]:
    """Every recorded answer below these folders."""
    paths = sorted(path for folder in folders for path in (SAMPLES / folder).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8-sig"), strict=False) for path in paths]


def bodies(seed: int, bases: list[Any], number: int) -> Iterator[bytes]:
    """Bodies of answers; the same ones for the same seed."""
    chance = random.Random(seed)
    for _ in range(number):
        body = json.dumps(_changed(chance, chance.choice(bases))).encode()
        for placeholder, raw in _RAW.items():
            body = body.replace(json.dumps(placeholder).encode(), raw.encode())
        if chance.random() < 0.15:
            body = _torn(chance, body)
        yield body


def value(chance: random.Random) -> Any:
    return copy.deepcopy(chance.choice(VALUES))


def _changed(chance: random.Random, base: Any) -> Any:
    changed = json.loads(json.dumps(base))
    for _ in range(chance.randint(1, 4)):
        places = list(_places(changed))
        if not places or chance.random() < 0.03:
            return value(chance)
        holder, key = chance.choice(places)
        if isinstance(holder, dict) and chance.random() < 0.2:
            holder[chance.choice(_KEYS)] = value(chance)
        elif chance.random() < 0.1:
            del holder[key]
        else:
            holder[key] = value(chance)
    return changed


def _places(found: Any) -> Iterator[tuple[Any, Any]]:
    children = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, child in list(children):
        yield found, key
        yield from _places(child)


def _torn(chance: random.Random, body: bytes) -> bytes:
    at = chance.randrange(len(body) + 1)
    return chance.choice(
        (body[:at], body[:at] + chance.randbytes(20) + body[at:], chance.randbytes(50), b"\xef\xbb\xbf" + body)
    )
