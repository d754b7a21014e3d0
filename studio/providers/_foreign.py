"""Tolerant readers of other services' answers.

Each reader gives a plain value, or None, an empty text, an empty object; none of them raises anything, whatever
type, size, depth or spelling a value has. All text that leaves a client has passed `clean`.
"""

import html
import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from studio.secrets import hide

LONGEST_QUOTE = 300
"""Characters of a provider's text that are quoted in our errors."""
LONGEST_TEXT = 20_000
"""Characters of a foreign text that are looked at when it is no JSON."""
LONGEST_ID = 200
"""Characters an id may have; none of any provider has more than 64."""
DEEPEST = 12
"""Levels of a structure that are looked through; JSON inside JSON text counts as one."""
MOST_VALUES = 20_000
"""Values of a structure that are looked at."""

_LONGEST_WHOLE_NUMBER = 30  # digits; beyond, a number is a float: `int` of 4,300 digits raises ValueError


def _unwanted() -> dict[int, str | None]:
    """Control characters (C0, C1), invisible marks and direction overrides; white space stays a space."""
    table: dict[int, str | None] = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), 0xAD, 0x61C, 0xFEFF))
    table |= dict.fromkeys((0x200B, *range(0x200E, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070)))
    table |= dict.fromkeys((*range(0x09, 0x0E), *range(0x1C, 0x20), 0x85, 0x2028, 0x2029), " ")
    return table | dict.fromkeys(range(0xD800, 0xE000), "�")  # lone surrogates cannot be encoded


_UNWANTED = _unwanted()


def clean(text: str) -> str:
    """A foreign text without what terminals, PostgreSQL or JSON stumble over; its spaces stay as they are."""
    return text.translate(_UNWANTED)


def quote(value: object, *, most: int = LONGEST_QUOTE) -> str:
    """A provider's text, on one line, short enough for a message, and without secrets in any spelling."""
    text = value if isinstance(value, str) else all_text(value)
    line = " ".join(hide(clean(text[:LONGEST_TEXT])).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def plain(text: str) -> str:
    """A text that may be an HTML page, without its markup."""
    text = text[:LONGEST_TEXT]
    if not re.search(r"<(!doctype|html|head|body|title|h\d|p|div|span|br|center|pre)\b", text, re.I):
        return text
    text = re.sub(r"<(script|style)\b[^>]*>[^<]*</\1\s*>", " ", text, flags=re.I)
    return html.unescape(re.sub(r"<[^<>]*>", " ", text))


def all_text(value: object) -> str:
    """The text in a value of any type: the leaves of an object or a list, one after the other."""
    if isinstance(value, str):
        return value
    leaves = (leaf for _, leaf in leaves_of(value))
    return " ".join(text for leaf in leaves if (text := _leaf_text(leaf)))[:LONGEST_TEXT]


def _leaf_text(leaf: object) -> str:
    if isinstance(leaf, bool) or leaf is None:
        return ""
    return leaf if isinstance(leaf, str) else str(leaf) if isinstance(leaf, (int, float, Decimal)) else ""


def json_of(text: str) -> Any:
    """What a JSON text holds: raw control characters and a byte order mark are let pass. None when it is no JSON."""
    try:
        return json.loads(text.strip("\ufeff\0 \t\r\n"), strict=False, parse_int=_whole_number)
    except (ValueError, RecursionError):
        return None


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_WHOLE_NUMBER else float(digits)


def object_in(value: object) -> dict[str, Any]:
    """A JSON object that may come as one, or as a text that holds one; empty when it is neither."""
    found = _opened(value)
    return found if isinstance(found, dict) else {}


def spelling(key: object) -> str:
    """A key or a word without case and separators: `taskId`, `task_id` and `Task-ID` are `taskid`."""
    return re.sub(r"[\W_]+", "", key[:100]).lower() if isinstance(key, str) else ""


def pick(source: Mapping[str, Any], *spellings: str) -> Any:
    """The value of the first of these keys, in any spelling, that has one; None when none has."""
    found: dict[str, Any] = {}
    for key, value in source.items():
        if value is not None and value != "":
            found.setdefault(spelling(key), value)
    return next((found[name] for name in spellings if name in found), None)


def ident(value: object) -> str | None:
    """An id: a text or a whole number."""
    number = decimal(value) if isinstance(value, (int, float)) else None
    if number is not None:
        return str(int(number)) if 0 < number < 10**_LONGEST_WHOLE_NUMBER and number == int(number) else None
    text = clean(value).strip() if isinstance(value, str) else ""
    return text if text and len(text) <= LONGEST_ID else None


def decimal(value: object) -> Decimal | None:
    """A finite number, given as one or as text."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return None
    try:
        number = Decimal(value.strip()[:100] if isinstance(value, str) else str(value))
    except (InvalidOperation, ValueError):
        return None
    return number if number.is_finite() else None


def real(value: object) -> float | None:
    """A finite number as a float."""
    number = decimal(value)
    try:
        found = None if number is None else float(number)
    except OverflowError:
        return None
    return found if found is not None and math.isfinite(found) else None


def count(value: object) -> int | None:
    """A whole number that is not negative and fits into 63 bits."""
    number = real(value)
    return int(number) if number is not None and 0 <= number < 2**63 else None


def leaves_of(value: object) -> Iterator[tuple[tuple[str, ...], object]]:
    """Every value below `value` that holds no others, level by level, with the spellings of the keys that lead to it.

    JSON inside a text is opened. What lies too deep, or is too much, is left out.
    """
    for path, item in _values_in(value):
        if not isinstance(item, (dict, list)):
            yield path, item


def objects_in(value: object, *, but: re.Pattern[str] | None = None, in_text: bool = True) -> Iterator[dict[str, Any]]:
    """`value` and the objects below it, level by level, except below keys whose spelling matches `but`.

    JSON inside a text is opened, unless `in_text` is false. What lies too deep, or is too much, is left out.
    """
    for _, item in _values_in(value, but, in_text=in_text):
        if isinstance(item, dict):
            yield item


def _values_in(
    value: object, but: re.Pattern[str] | None = None, *, in_text: bool = True
) -> Iterator[tuple[tuple[str, ...], object]]:
    level: list[tuple[tuple[str, ...], object]] = [((), value)]
    seen = 0
    for _ in range(DEEPEST):
        below: list[tuple[tuple[str, ...], object]] = []
        for path, item in level:
            seen += 1
            if seen > MOST_VALUES:
                return
            opened = _opened(item) if in_text else item
            yield path, opened
            if isinstance(opened, dict):
                inside = ((spelling(key), child) for key, child in opened.items())
                below += [((*path, key), child) for key, child in inside if but is None or not but.search(key)]
            elif isinstance(opened, list):
                below += [(path, child) for child in opened]
        level = below


def _opened(item: object) -> object:
    """JSON inside a text, when it is an object or a list; also when it was turned into text more than once."""
    opened = item
    for _ in range(3):
        if not isinstance(opened, str) or opened.lstrip("\ufeff\0 \t\r\n")[:1] not in ("{", "[", '"'):
            break
        opened = json_of(opened)
    return opened if isinstance(opened, (dict, list)) else item
