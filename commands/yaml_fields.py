"""The values of a YAML file, fitted to the fields of a model; problems are named by line, clip and field."""

import types
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from commands.yaml_file import LONGEST_SHOWN, Place, Scalar, YamlFile, YamlFileInvalid
from studio.contracts.complaint import complaint

MOST_PROBLEMS = 50
"""Further ones are counted."""


class Fields(BaseModel):
    """Fields of a file that a person writes: others than these are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ALIASES = "written_names"
"""Class attribute of a model: names that a file may use, and the fields they are read into."""


AS_WRITTEN = "as_written"
"""Class attribute of a model: fields whose text counts even where YAML reads something else, like `9:16`."""


class WrittenFile(Fields):
    """A whole file, which remembers the lines of its values."""

    _source: YamlFile = PrivateAttr(default=YamlFile(None))

    def placed(self, problems: str) -> str:
        """Problems such as `clips.2.prompt: too long`, each with its line: `line 12, clip 3, prompt: too long`."""
        return placed(problems, self._source)

    def line_of(self, place: Place) -> int:
        """The line of a value, from 1; 0 when it is not known."""
        return _line(self._source, place)


M = TypeVar("M", bound=WrittenFile)


def read_as(model: type[M], file: YamlFile) -> M:
    """The file's content as `model`.

    Raises:
        YamlFileInvalid: one line for each mistake, with its place.
    """
    if not isinstance(file.content, dict):
        raise YamlFileInvalid("line 1: the file must begin with a field such as `channel: demo`")
    fitting = _Fitting(file)
    data = fitting.fit(model, file.content, ())
    problems = fitting.problems
    try:
        read = model.model_validate(data)
    except ValidationError as error:
        seen = {problem.partition(": ")[0] for problem in problems}
        found = [one for one in complaint(error).splitlines() if one.partition(": ")[0] not in fitting.meant]
        further = placed("\n".join(found), file).splitlines()
        problems = [*problems, *(one for one in further if one.partition(": ")[0] not in seen)]
    if problems:
        raise YamlFileInvalid(_listed(problems), list(dict.fromkeys(problems)))
    read._source = file
    return read


def placed(problems: str, file: YamlFile) -> str:
    """Problems such as `clips.2.prompt: too long`, each with its line: `line 12, clip 3, prompt: too long`."""
    lines = []
    for problem in problems.splitlines():
        path, colon, text = problem.partition(": ")
        place = tuple(int(part) if part.isdecimal() else part for part in path.split("."))
        known = colon and " " not in path
        lines.append((_line(file, place) if known else 0, f"{_named(file, place)}: {text}" if known else problem))
    return _listed([text for _, text in sorted(lines, key=lambda one: one[0])])


def _line(file: YamlFile, place: Place) -> int:
    """The line of a value, or of what is around it when it is missing."""
    while place and place not in file.lines:
        place = place[:-1]
    return file.lines.get(place, 0) if place else 0


def _named(file: YamlFile, place: Place) -> str:
    line = _line(file, place)
    parts = [f"line {line}"] if line else []
    for part, following in zip(place, [*place[1:], None], strict=True):
        if isinstance(part, int):
            continue
        if isinstance(following, int):
            parts.append(f"{part.removesuffix('s')} {following + 1}")
        else:
            parts.append(part)
    return ", ".join(parts)


def _listed(problems: list[str]) -> str:
    unique = list(dict.fromkeys(problems))
    more = [f"and {len(unique) - MOST_PROBLEMS} more"] if len(unique) > MOST_PROBLEMS else []
    return "\n".join(unique[:MOST_PROBLEMS] + more)


class _Fitting:
    """Walks a file's content along the annotations of a model."""

    def __init__(self, file: YamlFile) -> None:
        self._file = file
        self.problems: list[str] = []
        self.meant: set[str] = set()
        """Paths of fields that are there under a name that is not known."""

    def fit(self, annotation: Any, value: Any, place: Place) -> Any:
        match value:
            case Scalar():
                return self._scalar(_kinds(annotation), value, place)
            case dict():
                return self._mapping(annotation, value, place)
            case list():
                item = _item_of(annotation)
                return [self.fit(item, one, (*place, number)) for number, one in enumerate(value)]
        return value

    def _mapping(self, annotation: Any, value: dict[str, Any], place: Place) -> dict[str, Any]:
        model = next((option for option in _options(annotation) if _is_model(option)), None)
        if model is None:
            inner = _value_of(annotation)
            return {key: self.fit(inner, one, (*place, key)) for key, one in value.items()}
        known = {name: info.annotation for name, info in model.model_fields.items()}
        known |= {written: known[name] for written, name in getattr(model, ALIASES, {}).items()}
        given = {}
        for key, one in value.items():
            if key not in known:
                near = _nearest(key, known)
                self.meant.add(".".join(map(str, (*place, near))))
                meant = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                self._complain((*place, key), f"is unknown; {meant}")
            elif isinstance(one, Scalar) and key in getattr(model, AS_WRITTEN, ()):
                given[key] = one.text
            elif one is not None:  # null means absent
                given[key] = self.fit(known[key], one, (*place, key))
        return given

    def _scalar(self, kinds: frozenset[type], value: Scalar, place: Place) -> Any:
        if kinds & {int, float, Decimal} and value.number is not None:
            return value.number
        if bool in kinds and value.truth is not None:
            return value.truth
        if str in kinds:
            if value.reading:
                self._complain(
                    place, f'{_short(value.text)} is read as {value.reading}; put it in quotes: "{_short(value.text)}"'
                )
            elif value.cut and (" " in value.text or not value.cut.startswith("# ")):
                self._complain(
                    place,
                    f"the text ends before `{_short(value.cut)}`, which is a comment; put the text in quotes, "
                    "or the comment on a line of its own",
                )
        return value.text

    def _complain(self, place: Place, problem: str) -> None:
        self.problems.append(f"{_named(self._file, place)}: {problem}")


def _short(text: str) -> str:
    return f"{text[:LONGEST_SHOWN]}…" if len(text) > LONGEST_SHOWN else text


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    """The known field that was probably meant, or nothing."""
    spelt = {one.replace("_", ""): one for one in known}
    near = get_close_matches(name.replace("_", "").replace("-", "").lower(), spelt, n=1, cutoff=0.6)
    return spelt[near[0]] if near else ""


def _options(annotation: Any) -> Iterator[Any]:
    """The types of a union, without `Annotated`."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _options(get_args(annotation)[0])
    elif origin in (Union, types.UnionType):
        for option in get_args(annotation):
            yield from _options(option)
    else:
        yield annotation


def _is_model(option: Any) -> bool:
    return isinstance(option, type) and issubclass(option, BaseModel)


def _kinds(annotation: Any) -> frozenset[type]:
    """Which kinds of scalars a field takes: an enumeration takes texts."""
    kinds: set[type] = set()
    for option in _options(annotation):
        if get_origin(option) is Literal:
            kinds |= {type(choice) for choice in get_args(option)}
        elif option is Any:
            kinds |= {str, int, bool}
        elif isinstance(option, type):
            kinds.add(str if issubclass(option, Enum) else option)
    return frozenset(kinds)


def _item_of(annotation: Any) -> Any:
    for option in _options(annotation):
        if get_origin(option) in (list, tuple, set, frozenset):
            return get_args(option)[0]
    return Any


def _value_of(annotation: Any) -> Any:
    for option in _options(annotation):
        if get_origin(option) in (dict, Mapping):
            return get_args(option)[1]
    return Any
