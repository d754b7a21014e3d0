"""Secrets in any spelling are hidden before a text leaves the process.

A provider may repeat our key as JSON writes it (`\\/`, `\\u002f`), as an address writes it (`%2F`, `%252F`), in base64
or in hexadecimal. So a text is decoded first, as often as it can be, and what is found is hidden in the original.

The values are registered once per process, when its settings are read and its clients are opened (`keep_secret`).
The exits are few: quotes of foreign text, errors of activities, log lines, parameters of SQL, payloads for Temporal.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator
from urllib.parse import quote

HIDDEN = "[hidden]"

SHORTEST_SPELLED = 6
"""Shorter secrets are hidden as they are only: in other spellings they would be found in ordinary text."""
SHORTEST_IN_DATA = 12
"""Shorter secrets are hidden in messages, not in data."""
LARGE = 64 * 1024
"""Characters of data up to which every spelling is looked for."""
MOST_LAYERS = 5
"""Escapes inside escapes that are decoded: JSON in JSON in an address, twice."""

_ESCAPE = re.compile(
    r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|&#([0-9]{1,7});|&#[xX]([0-9a-fA-F]{1,6});"
    r"|\\([\"'\\/bfnrt])|&(amp|lt|gt|quot|apos);"
)
_HEXADECIMAL = (1, 2, 3, 5)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
_WRAPPED = re.compile(r"[\s:]+")
_UNWRAPPED = re.compile(r"[^\s:]+")
_TO_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_TO_STANDARD = str.maketrans("-_", "+/")

# What a secret looks like when its value is not known: bearer tokens, keys in addresses and in DSNs.
_LOOKS_SECRET = (
    re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]{8,}"),
    re.compile(
        r"(?i)((?:api[_-]?key|access[_-]?key(?:[_-]?id)?|token|secret|signature|credential|password|userhash|\bsig)"
        r"[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]{4,}"
    ),
    re.compile(r"(?i)(authorization[\"']?\s*[:=]\s*[\"']?(?:basic|digest|token|apikey)\s+)[^\s\"',}]{8,}"),
    re.compile(r"(://[^/\s:@]+:)[^@\s/]+(?=@)"),
)

Spans = list[tuple[int, int]]


class Hider:
    """Hides a set of secrets, in every spelling."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._plain: list[str] = []
        self._hexadecimal: list[str] = []
        self._base64: list[str] = []
        self._known: set[str] = set()
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Hide these too."""
        new = {secret for secret in secrets if secret} - self._known
        self._known |= new
        for secret in new:
            self._plain += _plain_spellings(secret)
            if len(secret) >= SHORTEST_SPELLED:
                for inner in _encodings(secret):
                    data = inner.encode("utf-8", "surrogatepass")
                    self._hexadecimal.append(data.hex())
                    self._base64 += _base64_spellings(data)
        for spellings in (self._plain, self._hexadecimal, self._base64):
            spellings[:] = sorted(set(spellings), key=len, reverse=True)

    def known(self, text: str) -> str:
        """The text without the known secrets."""
        if not self._known or not any(map(self._holds, _decodings(text))):
            return text
        spans: Spans = []
        for layer, starts in _layers(text):
            spans += [(starts[begin], starts[end]) for begin, end in self._found(layer)]
        return _without(text, spans)

    def verbatim(self, text: str) -> str:
        """The text without the known secrets as they are, and as JSON writes them."""
        for secret in self._known:
            for spelling in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]):
                if spelling in text:
                    text = text.replace(spelling, HIDDEN)
        return text

    def __call__(self, text: str) -> str:
        """The text without the known secrets, and without what looks like one."""
        text = self.known(text)
        for pattern in _LOOKS_SECRET:
            text = pattern.sub(rf"\g<1>{HIDDEN}", text)
        return text

    def _holds(self, text: str) -> bool:
        """Whether a secret stands in this text; quick, because it hardly ever does."""
        lower, squeezed = text.translate(_TO_LOWER), _WRAPPED.sub("", text)
        if any(spelling in lower for spelling in self._plain):
            return True
        small, standard = squeezed.translate(_TO_LOWER), squeezed.translate(_TO_STANDARD)
        return any(spelling in small for spelling in self._hexadecimal) or any(
            spelling in standard for spelling in self._base64
        )

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        lower = text.translate(_TO_LOWER)
        for spelling in self._plain:
            yield from _occurrences(lower, spelling)
        # Encoded text may be wrapped: in lines of 76 characters, or in pairs of digits with colons between.
        pieces = [match.span() for match in _UNWRAPPED.finditer(text)]
        starts = [place for begin, end in pieces for place in range(begin, end)]
        squeezed = _WRAPPED.sub("", text)
        small, standard = squeezed.translate(_TO_LOWER), squeezed.translate(_TO_STANDARD)
        for spelling in self._hexadecimal:
            for begin, end in _occurrences(small, spelling):
                yield starts[begin], starts[end - 1] + 1
        for spelling in self._base64:
            for begin, end in _occurrences(standard, spelling):
                yield _with_edges(text, starts[begin], starts[end - 1] + 1)


_ours = Hider()
_long = Hider()


def keep_secret(secrets: Iterable[str]) -> None:
    """Have `hide` and `hide_known` hide these from now on, in the whole process."""
    secrets = list(secrets)
    _ours.add(secrets)
    _long.add(secret for secret in secrets if len(secret) >= SHORTEST_IN_DATA)


def hide(text: str) -> str:
    """A text for people, ledgers and logs: without our secrets, and without what looks like one."""
    return _ours(text)


def hide_known(text: str) -> str:
    """Data that must go on working, such as addresses: without our own secrets only, and only long ones.

    A short password may be an ordinary word; data that happens to contain it stays as it is. A text over `LARGE` was
    sent by a caller, not said by a provider: there secrets are looked for as they are, and as JSON writes them.
    """
    return _long.known(text) if len(text) <= LARGE else _long.verbatim(text)


def hide_in_payload(data: bytes) -> bytes:
    """JSON on its way to Temporal, as `hide_known`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    hidden = hide_known(text)
    return data if hidden is text else hidden.encode()


def _plain_spellings(secret: str) -> set[str]:
    """As it is; and as its bytes, or its UTF-16 units, look when they were decoded one by one."""
    units = secret.encode("utf-16-be", "surrogatepass")
    pairs = "".join(chr(high << 8 | low) for high, low in zip(units[::2], units[1::2], strict=True))
    spellings = {secret, secret.encode("utf-8", "surrogatepass").decode("latin-1"), pairs}
    return {spelling.translate(_TO_LOWER) for spelling in spellings}


def _encodings(secret: str) -> set[str]:
    """What may have been written in base64 or in hexadecimal once more: the secret as JSON, an address, base64 …"""
    data = secret.encode("utf-8", "surrogatepass")
    as_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    as_json |= {text.replace("/", "\\/") for text in as_json}
    addresses = {quote(data, safe=""), quote(data)}
    encoded = {base64.b64encode(data).decode(), base64.urlsafe_b64encode(data).decode()}
    return {secret, *as_json, *addresses, *encoded, data.hex(), data.hex().upper()}


def _base64_spellings(data: bytes) -> list[str]:
    """What base64 makes of these bytes, wherever in a longer text they begin: the part that depends on them only."""
    spellings = []
    for before in range(3):
        first = (0, 2, 3)[before]
        whole = (before + len(data)) * 8 // 6
        spelling = base64.b64encode(b"\0" * before + data).decode()[first:whole]
        spellings.append(spelling)
    return spellings


def _decodings(text: str) -> Iterator[str]:
    """The text, and what decoding makes of it again and again."""
    for _ in range(MOST_LAYERS + 1):
        yield text
        if "\\" not in text and "%" not in text and "&" not in text:
            return
        decoded = _ESCAPE.sub(_meant, text)
        if decoded == text:
            return
        text = decoded


def _layers(text: str) -> Iterator[tuple[str, list[int] | range]]:
    """The same, with where each character begins in the original."""
    starts: list[int] | range = range(len(text) + 1)
    yield text, starts
    for _ in range(MOST_LAYERS):
        decoded, inner = _decoded(text)
        if decoded == text:
            return
        text, starts = decoded, [starts[place] for place in inner]
        yield text, starts


def _decoded(text: str) -> tuple[str, list[int]]:
    """Every escape replaced once, and where each character of the result begins."""
    parts: list[str] = []
    starts: list[int] = []
    done = 0
    for escape in _ESCAPE.finditer(text):
        begin, end = escape.span()
        parts += (text[done:begin], _meant(escape))
        starts += range(done, begin + 1)
        done = end
    parts.append(text[done:])
    starts += range(done, len(text) + 1)
    return "".join(parts), starts


def _meant(escape: re.Match[str]) -> str:
    kind = escape.lastindex or 0
    value = escape[kind]
    if kind == 6:
        return _SHORT.get(value, value)
    if kind == 7:
        return _NAMED[value]
    number = int(value, 16 if kind in _HEXADECIMAL else 10)
    return chr(number) if number < 0x110000 else "\ufffd"


def _occurrences(text: str, spelling: str) -> Iterator[tuple[int, int]]:
    begin = text.find(spelling)
    while begin >= 0:
        yield begin, begin + len(spelling)
        begin = text.find(spelling, begin + 1)


def _with_edges(text: str, begin: int, end: int) -> tuple[int, int]:
    """A hit in encoded text, with the characters beside it: they hold the first and last bits of the secret."""
    before = begin > 0 and text[begin - 1] in _ALPHABET
    after = end < len(text) and text[end] in _ALPHABET
    return begin - before, end + after


def _without(text: str, spans: Spans) -> str:
    """The text with these spans replaced; those that touch are one."""
    merged: Spans = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    parts: list[str] = []
    done = 0
    for begin, end in merged:
        parts += (text[done:begin], HIDDEN)
        done = end
    return "".join((*parts, text[done:]))
