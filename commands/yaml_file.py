"""YAML as people write it, read without guesses: what YAML would change in silence is refused with its line.

PyYAML reads `no` as false, `010` as 8, `12:30` as 750, takes the second of two equal keys and cuts a text at ` #`.
Each of those has cost money or a wrong video. Here a tree of nodes with their lines is built from PyYAML's events, and
scalars become Python values only where their field says which kind it wants (`yaml_fields.fitted`).
"""

import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from yaml import events as ev

LARGEST_FILE = 8_000_000
"""Bytes: 500 clips with the longest prompts in any script need less."""
DEEPEST = 40
"""Levels of nesting; a video file has five."""
MOST_NODES = 200_000
"""Values in a file, aliases counted as often as they are used."""
LONGEST_SHOWN = 60

Place = tuple[str | int, ...]
"""Where a value is: `("clips", 2, "prompt")`."""


class YamlFileInvalid(Exception):
    """The file cannot be read. Each line of the message is one problem, with its line in the file."""

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = list(problems or message.splitlines())
        """All of them; the message may name only the first ones and count the others."""


class NotUtf8(YamlFileInvalid):
    """A regular file of a sane size in another encoding."""


@dataclass(frozen=True)
class Scalar:
    """A value that was written without quotes, and how YAML 1.1 readers take it."""

    text: str
    line: int
    reading: str = ""
    """What YAML makes of it, when that is no text: `the number 8`, `false`, `a date`."""
    number: int | Decimal | None = None
    truth: bool | None = None
    cut: str = ""
    """A comment that begins right behind it."""


@dataclass(frozen=True)
class YamlFile:
    """A file's content: mappings, lists, texts in quotes, `Scalar` for what was written without, None for null."""

    content: Any
    lines: dict[Place, int] = field(default_factory=dict)
    """Where each value begins, by its path; lines are counted from 1."""


def read_yaml_file(path: Path) -> YamlFile:
    """Read a YAML or JSON file of at most 8 MB.

    Raises:
        YamlFileInvalid: no regular file, not UTF-8, no YAML, duplicate keys, more than one document, tags, or values
            nested more than 40 levels deep.
    """
    return read_yaml_text(text_of(path))


def read_yaml_text(text: str) -> YamlFile:
    """The same for the text of a file, whose lines end with a line feed.

    Raises:
        YamlFileInvalid: as above.
    """
    try:
        reader = _Reader(text)
        content = reader.read()
    except yaml.MarkedYAMLError as error:
        raise YamlFileInvalid(_syntax(error, text)) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = f"U+{error.character if isinstance(error.character, int) else ord(error.character[:1]):04X}"
        raise YamlFileInvalid(f"line {line}: the character {character} cannot stand in a text; delete it") from None
    if reader.problems:
        raise YamlFileInvalid("\n".join(reader.problems))
    return YamlFile(content, reader.lines)


def text_of(path: Path) -> str:
    """The text of a file, with line feeds only.

    Raises:
        YamlFileInvalid: no regular file, or more than 8 MB.
        NotUtf8: neither UTF-8 nor UTF-16.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise YamlFileInvalid(f"{path} is a folder")
        if not stat.S_ISREG(status.st_mode):
            raise YamlFileInvalid(f"{path} is no regular file")
        if status.st_size > LARGEST_FILE:
            raise YamlFileInvalid(f"{path} has {status.st_size:,} bytes; at most {LARGEST_FILE:,} are read")
        data = path.read_bytes()
    except OSError as error:
        raise YamlFileInvalid(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise YamlFileInvalid("a file name cannot have a NUL character") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding, name = "utf-16", "UTF-16"
    else:
        encoding, name = "utf-8-sig", "UTF-8"
    try:
        return re.sub(r"\r\n?", "\n", data.decode(encoding))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        wrong = f"byte 0x{data[error.start]:02x} in line {line}"
        raise NotUtf8(f"{path} is not {name} ({wrong}); save it as UTF-8 in your editor") from None


_NULLS = ("", "~", "null", "Null", "NULL")
_TRUTHS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_TRUTH_WORDS = re.compile(r"^(?:yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF|y|Y|n|N)$")
_WHOLE = re.compile(r"^[-+]?(?:0|[1-9][0-9]*)$")
_FRACTION = re.compile(r"^[-+]?[0-9]+\.[0-9]+$")
_SEPARATED = re.compile(r"^[-+]?[1-9][0-9]*(?:_[0-9]+)+$")
_OCTAL = re.compile(r"^[-+]?0[0-7_]+$")
_ZEROS = re.compile(r"^[-+]?0[0-9]+$")
_OTHER_BASE = re.compile(r"^[-+]?0(?:x[0-9a-fA-F_]*|b[01_]*|o[0-7_]*)$")
_CLOCK = re.compile(r"^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
_FLOAT = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?$")
_SPECIAL = re.compile(r"^(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$")
_DATE = re.compile(r"^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}.*)?$")


def scalar(text: str, line: int, cut: str = "") -> Scalar | None:
    """A value without quotes; None for null."""
    if text in _NULLS:
        return None
    if text in _TRUTHS:
        return Scalar(text, line, text.lower(), truth=_TRUTHS[text], cut=cut)
    if _TRUTH_WORDS.match(text):
        return Scalar(text, line, "true or false", cut=cut)
    if _WHOLE.match(text) and len(text) <= 40:
        return Scalar(text, line, "a number", number=int(text), cut=cut)
    if _FRACTION.match(text) and len(text) <= 60:
        return Scalar(text, line, "a number", number=Decimal(text), cut=cut)
    if _SEPARATED.match(text) and len(text) <= 40:
        return Scalar(text, line, f"the number {text.replace('_', '')}", number=int(text.replace("_", "")), cut=cut)
    if _OCTAL.match(text) and len(text) <= 40:
        return Scalar(text, line, f"the number {int(text.replace('_', ''), 8)} (base 8)", cut=cut)
    for pattern, reading in (
        (_ZEROS, "a number"),
        (_OTHER_BASE, "a number of another base"),
        (_CLOCK, "a time of day, in seconds"),
        (_DATE, "a date"),
        (_SPECIAL, "infinity or no number"),
        (_WHOLE, "a number"),
    ):
        if pattern.match(text):
            return Scalar(text, line, reading, cut=cut)
    if _FLOAT.match(text):
        return Scalar(text, line, "a number", cut=cut)
    return Scalar(text, line, cut=cut)


@dataclass
class _Built:
    value: Any
    size: int


class _Reader:
    """Builds values from PyYAML's events; recursion is bounded by `DEEPEST`."""

    def __init__(self, text: str) -> None:
        self._rows = text.split("\n")
        self._events: Iterator[Any] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, _Built] = {}
        self._spent = 0
        self.lines: dict[Place, int] = {}
        self.problems: list[str] = []

    def read(self) -> Any:
        """The one document's value."""
        next(self._events)  # the stream's start
        event = next(self._events)
        if isinstance(event, ev.StreamEndEvent):
            raise YamlFileInvalid("the file is empty")
        value = self._build(next(self._events), ()).value
        next(self._events)  # the document's end
        following = next(self._events)
        if not isinstance(following, ev.StreamEndEvent):
            line = following.start_mark.line + 1
            raise YamlFileInvalid(f"line {line}: a second document begins with `---`; a file has one")
        if value is None:
            raise YamlFileInvalid("the file is empty")
        return value

    def _build(self, event: Any, path: Place) -> _Built:
        line = event.start_mark.line + 1
        self._spend(1, line)
        if len(path) > DEEPEST:
            raise YamlFileInvalid(f"line {line}: nested more than {DEEPEST} levels deep")
        self.lines.setdefault(path, line)
        if isinstance(event, ev.AliasEvent):
            return self._alias(event, line)
        if event.tag is not None and event.tag != "!":
            shown = event.tag.removeprefix("tag:yaml.org,2002:")[:LONGEST_SHOWN]
            raise YamlFileInvalid(f"line {line}: `{shown}` is a YAML tag; put a text that begins with ! in quotes")
        if isinstance(event, ev.ScalarEvent):
            built = _Built(self._scalar(event, line), 1)
        elif isinstance(event, ev.SequenceStartEvent):
            built = self._sequence(path)
        else:
            built = self._mapping(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = built
        return built

    def _spend(self, nodes: int, line: int) -> None:
        self._spent += nodes
        if self._spent > MOST_NODES:
            raise YamlFileInvalid(f"line {line}: more than {MOST_NODES:,} values, aliases (`*name`) counted")

    def _alias(self, event: Any, line: int) -> _Built:
        built = self._anchors.get(event.anchor)
        if built is None:
            name = event.anchor[:LONGEST_SHOWN]
            raise YamlFileInvalid(
                f"line {line}: `*{name}` names nothing above it; put a text that begins with * in quotes"
            )
        self._spend(built.size, line)
        return built

    def _scalar(self, event: Any, line: int) -> Any:
        if event.style in ('"', "'"):
            return event.value
        if event.style in ("|", ">"):
            return event.value
        row = self._rows[event.end_mark.line] if event.end_mark.line < len(self._rows) else ""
        behind = row[event.end_mark.column :]
        comment = re.match(r"[ \t]+(#.*)", behind)
        return scalar(event.value, line, comment.group(1) if comment else "")

    def _sequence(self, path: Place) -> _Built:
        items: list[_Built] = []
        while not isinstance(event := next(self._events), ev.SequenceEndEvent):
            items.append(self._build(event, (*path, len(items))))
        return _Built([item.value for item in items], 1 + sum(item.size for item in items))

    def _mapping(self, path: Place) -> _Built:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        first_lines: dict[str, int] = {}
        size = 1
        while not isinstance(event := next(self._events), ev.MappingEndEvent):
            line = event.start_mark.line + 1
            if not isinstance(event, ev.ScalarEvent):
                advice = "put a text that begins with { or [ in quotes"
                raise YamlFileInvalid(f"line {line}: a field's name must be a word; {advice}")
            key = event.value
            value = self._build(next(self._events), (*path, key))
            size += value.size + 1
            if key == "<<" and event.style is None:
                merged |= self._merged(value.value, line)
            elif key in first_lines:
                first = first_lines[key]
                self.problems.append(
                    f"line {line}: {_shown(key)} is there twice, first in line {first}; delete one of them"
                )
            else:
                first_lines[key] = line
                found[key] = value.value
                self.lines[(*path, key)] = line
        return _Built({**merged, **found}, size)

    def _merged(self, value: Any, line: int) -> dict[str, Any]:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise YamlFileInvalid(f"line {line}: `<<` takes fields over from another mapping, such as `*base`")
        result: dict[str, Any] = {}
        for part in reversed(parts):
            result |= part
        return result


def _syntax(error: yaml.MarkedYAMLError, text: str) -> str:
    """PyYAML's complaint with its place and what to do about it."""
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return f"this is no YAML: {error.problem or 'it cannot be read'}"
    rows = text.split("\n")
    row = rows[mark.line] if mark.line < len(rows) else ""
    place = f"line {mark.line + 1}, column {mark.column + 1}"
    if "\t" in row[: mark.column + 1]:
        return f"{place}: there is a tab; YAML is indented with spaces"
    return f"{place}: {_advice(error.problem or '', rows, mark)}"


_ADVICE = (
    ("mapping values are not allowed", "a colon with a space behind it (`: `) begins a new field"),
    ("cannot start any token", "a text cannot begin with this sign"),
    ("sequence entries are not allowed", "a text cannot begin with `- `"),
    ("alias", "a text that begins with * is an alias"),
    ("anchor", "a text that begins with & is an anchor"),
    ("block mapping", "the text before ends here"),
    ("flow", "a text that begins with { or [ is a list or an object"),
    ("quoted scalar", "the quotes are not closed"),
    ("document start", "the text before ends here"),
)


def _advice(problem: str, rows: list[str], mark: Any) -> str:
    for sign, explained in _ADVICE:
        if sign in problem:
            return f"{explained}; put the whole text in quotes, or on lines of its own behind `|`"
    return f"{' '.join(problem.split())}; put the whole text in quotes, or on lines of its own behind `|`"


def _shown(text: str) -> str:
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text
