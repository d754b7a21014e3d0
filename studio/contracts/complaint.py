"""What does not fit a contract, in plain sentences for whoever wrote it."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from studio.contracts.base import IDENTIFIER, OBJECT_KEY, PRINTABLE, SHA_256, Contract
from studio.contracts.texts import NOTION_PAGE

MOST_PROBLEMS = 5_000
"""More are counted: to write them all down takes longer than a workflow task may."""
LONGEST_SHOWN = 60
"""Characters of a wrong text that are repeated in the complaint about it."""

_PATTERNS = {
    IDENTIFIER: "must have 1 to 100 letters (A-Z, a-z), digits, - or _",
    OBJECT_KEY: "must be a path in the object store such as channels/demo/stills/a.png: relative, without ..",
    SHA_256: "must be 64 hexadecimal digits in lower case",
    NOTION_PAGE: "must be the id of a Notion page: 32 hexadecimal digits, with or without dashes",
    PRINTABLE: "must have letters, digits and signs without spaces",
}
_KINDS: Mapping[str, str] = {
    "a text": "string_type string_sub_type bytes_type",
    "a whole number": "int_type int_parsing int_from_float int_parsing_size",
    "a number": "float_type float_parsing",
    "a finite number": "finite_number decimal_not_finite",
    "an amount such as 1.50": "decimal_type decimal_parsing",
    "true or false": "bool_type bool_parsing",
    "an object": "model_type model_attributes_type dict_type mapping_type dataclass_type",
    "a list": "list_type tuple_type set_type frozen_set_type iterable_type",
    "null": "none_required",
    "a time such as 2026-01-31T12:00:00Z": "datetime_type datetime_parsing datetime_from_date_parsing timezone_aware",
    "a duration": "time_delta_type time_delta_parsing",
}
_KIND_OF = {kind: noun for noun, kinds in _KINDS.items() for kind in kinds.split()}
_SIZES = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "multiple_of": ("a multiple of", "multiple_of"),
}


def complaint(error: ValidationError, *, root: str = "request") -> str:
    """Every problem on a line of its own: `clips.3.seconds: must be 5 or 10, not 7`.

    `root` names what has no path: the value as a whole.
    """
    if (count := error.error_count()) > MOST_PROBLEMS:
        return f"{root}: {count:,} problems; it is probably something else"
    problems: dict[str, dict[str, bool]] = {}
    for problem in error.errors(include_url=False):
        path = ".".join(str(part) for part in problem["loc"] if not _is_union_branch(part))
        problems.setdefault(path or root, {})[_sentence(problem)] = problem["type"] in _KIND_OF
    return "\n".join(
        f"{path}: {', or '.join(sentences)}"
        for path, found in problems.items()
        if (sentences := _of_one_branch(path, found, problems))
    )


def _of_one_branch(path: str, found: Mapping[str, bool], problems: Iterable[str]) -> list[str]:
    """What is said of a value that may be one thing or another: of that which it nearly is, if there is one."""
    nearly = [sentence for sentence, other_kind in found.items() if not other_kind]
    if nearly or any(deeper.startswith(f"{path}.") for deeper in problems):
        return nearly
    return list(found)


def unknown_fields(value: object) -> list[str]:
    """Fields that no contract within `value` has: `clips.0.secnds is unknown; did you mean seconds?`."""
    return [_unknown(path, name, known) for path, name, known in _strangers(value, "")]


def _strangers(value: object, path: str) -> Iterable[tuple[str, str, list[str]]]:
    if isinstance(value, Contract):
        known = list(type(value).model_fields)
        yield from ((path, name, known) for name in value.unknown_fields)
        for name in known:
            yield from _strangers(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, (list, tuple)):
        for place, one in enumerate(value):
            yield from _strangers(one, f"{path}{place}.")
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _strangers(one, f"{path}{key}.")


def _unknown(path: str, name: str, known: list[str]) -> str:
    near = _nearest(name, known)
    return f"{path}{name[:LONGEST_SHOWN]} is unknown" + (f"; did you mean {near}?" if near else "")


def _nearest(name: str, known: Iterable[str]) -> str | None:
    """The name that was meant, if any: another spelling (camelCase, CAPITALS, kebab-case) or a slip of the keyboard."""
    spelt = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name[:LONGEST_SHOWN]).replace("-", "_").lower()
    by_letters = {one.replace("_", "").lower(): one for one in known}
    found = get_close_matches(spelt.replace("_", ""), by_letters, n=1, cutoff=0.7)
    return by_letters[found[0]] if found else None


def _sentence(problem: Mapping[str, Any]) -> str:
    kind: str = problem["type"]
    context: Mapping[str, Any] = problem.get("ctx", {})
    value: object = problem.get("input")
    if kind in _SENTENCES:
        return _SENTENCES[kind](context, value)
    if kind in _KIND_OF:
        return f"must be {_KIND_OF[kind]}, not {_shown(value)}{_hint(kind, value)}"
    if kind in _SIZES:
        comparison, bound = _SIZES[kind]
        return f"must be {comparison} {context[bound]}, not {_shown(value)}"
    if kind == "missing":
        return _missing(str(problem["loc"][-1]), value)
    message: str = problem["msg"]
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ").replace("Input should", "must")


def _missing(name: str, sent: object) -> str:
    if isinstance(sent, dict):
        for other in sent:
            if other != name and isinstance(other, str) and _nearest(other, [name]) == name:
                return f"is missing ({other} is unknown; did you mean {name}?)"
    return "is missing"


def _choice(context: Mapping[str, Any], value: object) -> str:
    return f"must be {str(context['expected']).replace(chr(39), '')}, not {_shown(value)}"


def _length(context: Mapping[str, Any], value: object) -> str:
    length = len(value) if isinstance(value, (str, bytes)) else context.get("actual_length", "more")
    unit = "characters" if isinstance(value, (str, bytes)) else "entries"
    if "max_length" in context:
        return f"has {length:,} {unit}, at most {context['max_length']:,} are allowed"
    return "is empty" if context["min_length"] == 1 else f"must have at least {context['min_length']:,} {unit}"


def _pattern(context: Mapping[str, Any], value: object) -> str:
    return f"{_PATTERNS.get(context['pattern'], 'has characters that are not allowed')}, not {_shown(value)}"


def _hint(kind: str, value: object) -> str:
    """JSON that was put into a text once more is the commonest reason for a text where an object belongs."""
    inside = isinstance(value, str) and value.lstrip()[:1] in ("{", "[")
    return " (it is JSON inside a text: send the object itself)" if inside and _KIND_OF[kind] == "an object" else ""


_SENTENCES: Mapping[str, Callable[[Mapping[str, Any], object], str]] = {
    "literal_error": _choice,
    "enum": _choice,
    "string_too_long": _length,
    "string_too_short": _length,
    "too_long": _length,
    "too_short": _length,
    "string_pattern_mismatch": _pattern,
    "extra_forbidden": lambda context, value: "is unknown",
    "json_invalid": lambda context, value: f"is not JSON: {context.get('error', 'unreadable')}",
    "string_unicode": lambda context, value: "has bytes that are not UTF-8",
    "decimal_max_places": lambda context, value: (
        f"must have at most {context['decimal_places']} decimal places, not {_shown(value)}"
    ),
    "decimal_max_digits": lambda context, value: f"is too large: {_shown(value)}",
    "decimal_whole_digits": lambda context, value: f"is too large: {_shown(value)}",
}


def _shown(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value[:LONGEST_SHOWN]}…"' if len(value) > LONGEST_SHOWN else f'"{value}"'
        case dict() | Contract():
            return "an object"
        case list() | tuple():
            return "a list"
    return str(value)[:LONGEST_SHOWN]


def _is_union_branch(part: int | str) -> bool:
    return isinstance(part, str) and (part.startswith(("constrained-", "function-")) or part[:1].isupper())
