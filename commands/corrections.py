"""Corrected lines for the mistakes of a video file.

For each line that a problem names, ways to write it are tried, the most careful first: the value in quotes, the field's
right name, a plain number, spaces for tabs. A way counts when the problem is gone and no other one appears; so
nothing is proposed that was not read again by the same rules as `video start`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Problems = Callable[[str], list[str]]
"""Every problem of a file's text; each begins with `line N`, where it has one."""

MOST_ROUNDS = 60
"""Corrections one after the other: of a text that is no YAML only the first mistake can be seen."""

TABS = (2, 4, 8)
"""Spaces that a tab may stand for."""

_NUMBERED = re.compile(r"line (\d+)\b")
_NO_YAML = re.compile(r"line \d+(?:, column \d+)?: ")
_MORE = re.compile(r"and (\d+) more$")
_FIELD = re.compile(
    r"^(?P<before>\s*(?:- +)*)(?P<name>[^\s:#\"'{\[][^:#]*?)(?P<colon>\s*:)(?P<gap>\s+|$)(?P<value>.*?)\s*$"
)
_ITEM = re.compile(r"^(?P<before>\s*(?:- +)+)(?P<value>.+?)\s*$")
_MEANT = re.compile(r"did you mean (.+?)\?$")
_NUMBER = re.compile(
    r"""^["']?\s*(?:USD|EUR|\$|€|£)?\s*([-+]?\d+(?:\.\d+)?)(?:,(\d{1,2}))?\s*(?:USD|EUR|\$|€|£|s|sec|seconds?|px)?\s*["']?$""",
    re.IGNORECASE,
)
"""A number with a unit or a decimal comma; of three digits behind a comma it is not clear what they are."""
_HOPELESS = re.compile(r"values, aliases|levels deep|second document|must be a text, not")
"""What no change of one line corrects."""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\u00ad]")


@dataclass(frozen=True)
class Correction:
    """A line as it is, and as it would be read."""

    line: int
    """From 1."""
    problem: str
    before: str
    after: str


def corrected(text: str, problems: Problems) -> tuple[str, list[Correction]]:
    """The text with every mistake corrected that has one clear correction, and the list of these."""
    made: list[Correction] = []
    found = problems(text)
    for _ in range(MOST_ROUNDS):
        step = _one_round(text, found, problems)
        if step is None:
            break
        text, found, corrections = step
        made += corrections
    return text, made


def line_of(problem: str) -> int:
    """The line a problem names, from 1; 0 when it names none."""
    named = _NUMBERED.match(problem)
    return int(named[1]) if named else 0


def with_value_in(line: str, value: str) -> str | None:
    """A line `name: …` with another text as its value; None for a line of another form."""
    found = _FIELD.match(line)
    return _with_value(found, _quoted(value)) if found else None


def _one_round(text: str, found: list[str], problems: Problems) -> tuple[str, list[str], list[Correction]] | None:
    """Correct as many lines as can be at once; None when no line can be."""
    lines = text.split("\n")
    ways = {problem: list(_ways(lines[line - 1], problem)) for problem, line in _with_lines(found, len(lines))}
    for turn in range(max(map(len, ways.values()), default=0)):
        tried = {problem: options[turn] for problem, options in ways.items() if turn < len(options)}
        if step := _kept(lines, found, tried, problems):
            return step
    return None


def _with_lines(found: Sequence[str], count: int) -> Iterator[tuple[str, int]]:
    for problem in found:
        if not _HOPELESS.search(problem) and 0 < (line := line_of(problem)) <= count:
            yield problem, line


def _kept(
    lines: list[str], found: list[str], tried: dict[str, str], problems: Problems
) -> tuple[str, list[str], list[Correction]] | None:
    """Write lines in another way; keep it for those whose problem is gone then, if no new problem appears."""
    chosen = dict(tried)
    while chosen:
        changed, corrections = list(lines), []
        for problem, written in chosen.items():
            line = line_of(problem)
            if changed[line - 1] == lines[line - 1]:
                changed[line - 1] = written
                corrections.append(Correction(line, problem, lines[line - 1], written))
        text = "\n".join(changed)
        left = problems(text)
        touched = {line_of(problem) for problem in chosen}
        worse = {line_of(one) for one in left if one not in found} & touched
        kept = {
            problem: written
            for problem, written in chosen.items()
            if problem not in left and line_of(problem) not in worse
        }
        if kept == chosen and _is_better(found, left):
            return text, left, corrections
        chosen = kept if kept != chosen else {}
    return None


def _is_better(found: list[str], left: list[str]) -> bool:
    """Fewer problems; or those that were hidden behind the one for which a text was no YAML."""
    if any(map(_NO_YAML.match, found)):
        return True
    return not any(map(_NO_YAML.match, left)) and _count(left) < _count(found)


def _count(problems: list[str]) -> int:
    """How many there are, those included that are only counted in a last line."""
    more = _MORE.match(problems[-1]) if problems else None
    return len(problems) + (int(more[1]) - 1 if more else 0)


# ── ways to write a line ─────────────────────────────────────────────────


def _ways(line: str, problem: str) -> Iterator[str]:
    seen = {line}
    for base in (line, *(_UNSEEN.sub("", line).replace("\t", " " * width) for width in TABS)):
        for way in (base, *_rewritten(base, problem)):
            if way not in seen:
                seen.add(way)
                yield way


def _rewritten(line: str, problem: str) -> Iterator[str]:
    field = _FIELD.match(line)
    if field and (meant := _MEANT.search(problem)):
        yield f"{field['before']}{meant[1]}{field['colon']}{field['gap']}{field['value']}"
        yield _with_value(field, _quoted(meant[1]))
    item = _ITEM.match(line) if field is None or _NO_YAML.match(problem) else None
    for found in (field, item):
        if found is None or not found["value"]:
            continue
        yield from (_with_value(found, value) for value in _values(found["value"]))


def _values(value: str) -> Iterator[str]:
    plain, comment = _without_comment(value)
    if number := _NUMBER.match(plain):
        yield f"{number[1]}{'.' + number[2] if number[2] else ''}{comment}"
    yield _quoted(value)
    if comment:
        yield f"{_quoted(plain)}{comment}"
    if "\\" in value:
        yield _quoted(_unquoted(value).replace("\\", "/"))
    if value[:1] in "'\"" and value[-1:] in "'\"":
        yield _unquoted(value)


def _without_comment(value: str) -> tuple[str, str]:
    found = re.match(r"^(.*?)(\s+#.*)$", value)
    return (found[1], found[2]) if found else (value, "")


def _with_value(found: "re.Match[str]", value: str) -> str:
    parts = found.groupdict()
    return f"{parts['before']}{parts.get('name', '')}{parts.get('colon', '')}{parts.get('gap', '')}{value}"


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value


def _quoted(value: str) -> str:
    """The text in quotes; backslashes stay what they are."""
    text = _unquoted(value).strip("\"'") if value[:1] in "\"'" else value
    return f'"{text}"' if '"' not in text and "\\" not in text else "'" + text.replace("'", "''") + "'"
