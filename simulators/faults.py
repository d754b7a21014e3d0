"""Faults on order: what may go wrong with a call, which calls it happens to, and when it is used up."""

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Kind(StrEnum):
    """What the client gets to see."""

    OK = "ok"
    RESET = "reset"
    HANG = "hang"
    SLOW_HEADERS = "slow_headers"
    SLOW_BODY = "slow_body"
    TRUNCATED_BODY = "truncated_body"
    WRONG_LENGTH = "wrong_length"
    ZERO_BYTES = "zero_bytes"
    INVALID_JSON = "invalid_json"
    HTML = "html"
    HTTP = "http"
    BODY_CODE = "body_code"
    VARIANT = "variant"


_REPLACING = frozenset({Kind.RESET, Kind.HANG, Kind.HTML, Kind.HTTP, Kind.BODY_CODE})
"""Nobody sees the real answer: these happen instead of the work, unless `after` is set."""

_WORDS: dict[str, dict[str, Any]] = {
    "ok": {"kind": Kind.OK},
    "reset_before": {"kind": Kind.RESET},
    "reset_after": {"kind": Kind.RESET, "after": True},
    "accept_then_reset": {"kind": Kind.RESET, "after": True},
    "hang": {"kind": Kind.HANG},
    "hang_after": {"kind": Kind.HANG, "after": True},
    "accept_then_timeout": {"kind": Kind.HANG, "after": True},
    "truncated_body": {"kind": Kind.TRUNCATED_BODY},
    "zero_bytes": {"kind": Kind.ZERO_BYTES},
    "invalid_json": {"kind": Kind.INVALID_JSON},
    "html": {"kind": Kind.HTML, "status": 502},
}
_KEYS: dict[str, tuple[Kind, str]] = {
    "slow_headers": (Kind.SLOW_HEADERS, "seconds"),
    "slow_body": (Kind.SLOW_BODY, "seconds"),
    "wrong_length": (Kind.WRONG_LENGTH, "length"),
    "html": (Kind.HTML, "status"),
    "http": (Kind.HTTP, "status"),
    "body_code": (Kind.BODY_CODE, "code"),
    "variant": (Kind.VARIANT, "variant"),
}


class Fault(BaseModel):
    """One outcome of a call. Read from a word (`"reset_before"`) or a pair (`{"http": 503}`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    after: bool = Field(default=False, description="Do the work first, then go wrong.")
    status: int = 200
    code: int | str | None = None
    msg: str | None = None
    text: str | None = Field(default=None, description="The whole body, instead of the service's error body.")
    headers: dict[str, str] = {}
    seconds: float = Field(default=0, ge=0, description="Real seconds.")
    length: int = 0
    variant: str = Field(default="", description="Which of the service's own variants of an answer.")

    @model_validator(mode="before")
    @classmethod
    def _spelled_short(cls, value: Any) -> Any:
        if isinstance(value, str):
            if value not in _WORDS:
                raise ValueError(f"no such fault: {value!r}; there are {', '.join(_WORDS)}")
            return _WORDS[value]
        if isinstance(value, dict) and "kind" not in value:
            for key, (kind, field) in _KEYS.items():
                if key in value:
                    rest = {name: entry for name, entry in value.items() if name != key}
                    return {"kind": kind, field: value[key], **rest}
        return value

    @property
    def commits(self) -> bool:
        """Does the call have its effect?"""
        return self.after or self.kind not in _REPLACING

    @property
    def name(self) -> str:
        if self.kind is Kind.VARIANT:
            return f"variant {self.variant}"
        when = "" if self.kind not in (Kind.RESET, Kind.HANG) else "_after" if self.after else "_before"
        return f"{self.kind.value}{when}"


NO_FAULT = Fault(kind=Kind.OK)

Outcome = TypeVar("Outcome", bound=BaseModel)


class Rule(BaseModel, Generic[Outcome]):
    """Which calls a script of outcomes is for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    route: str = "*"
    script: list[Outcome] = Field(min_length=1)
    repeat: bool = False
    probability: float | None = Field(default=None, ge=0, le=1)
    match: str = ""
    nth: int = Field(default=1, ge=1)
    count: int | None = Field(default=None, ge=1)


class Text:
    """What a rule's `match` is looked for in: path, query and body, a JSON body also decoded."""

    def __init__(self, head: str, body: bytes = b"") -> None:
        self._head = head
        self._body = body
        self._decoded: str | None = None

    def __contains__(self, wanted: str) -> bool:
        return wanted in self._head or wanted.encode() in self._body or wanted in self._words()

    def _words(self) -> str:
        if self._decoded is None:
            try:
                self._decoded = "\n".join(_strings(json.loads(self._body))) if self._body[:1] == b"{" else ""
            except ValueError:
                self._decoded = ""
        return self._decoded


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for entry in value.values():
            yield from _strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _strings(entry)


@dataclass
class _Live(Generic[Outcome]):
    """A rule and how far it has come."""

    id: int
    rule: Rule[Outcome]
    dice: random.Random
    seen: int = 0
    hits: int = 0

    @property
    def spent(self) -> bool:
        rule = self.rule
        if rule.count is not None and self.hits >= rule.count:
            return True
        return rule.probability is None and not rule.repeat and self.hits >= len(rule.script)

    def decide(self, text: Text) -> Outcome | None:
        rule = self.rule
        if self.spent or (rule.match and rule.match not in text):
            return None
        self.seen += 1
        if self.seen < rule.nth:
            return None
        if rule.probability is None:
            outcome = rule.script[self.hits % len(rule.script)]
        elif self.dice.random() < rule.probability:
            outcome = self.dice.choice(rule.script)
        else:
            return None
        self.hits += 1
        return outcome


class Plan(Generic[Outcome]):
    """All rules there are. The first that has something to say about a call decides it."""

    def __init__(self, seed: int, read: Callable[[Any], Rule[Outcome]], *, first_id: int = 1) -> None:
        self._seed = seed
        self._read = read
        self._before_first = first_id - 1
        self._rules: list[_Live[Outcome]] = []
        self._by_route: dict[str, list[_Live[Outcome]]] = {}
        self._last = self._before_first

    def add(self, rule: Any) -> int:
        self._last += 1
        dice = random.Random(f"{self._seed}:rule:{self._last}")
        self._rules.append(_Live(self._last, self._read(rule), dice))
        self._by_route.clear()
        return self._last

    def clear(self) -> None:
        self._rules.clear()
        self._by_route.clear()
        self._last = self._before_first

    def wants_body(self, route: str) -> bool:
        """Does any rule for this route look at what the call says?"""
        return any(live.rule.match for live in self._living(route))

    def draw(self, route: str, text: Text) -> Outcome | None:
        living = self._living(route)
        for live in living:
            outcome = live.decide(text)
            if outcome is not None:
                if live.spent:
                    living.remove(live)
                return outcome
        return None

    def listing(self) -> list[dict[str, Any]]:
        return [
            {"id": live.id, "seen": live.seen, "hits": live.hits, "spent": live.spent}
            | live.rule.model_dump(mode="json", exclude_defaults=True)
            for live in self._rules
        ]

    def _living(self, route: str) -> list[_Live[Outcome]]:
        if route not in self._by_route:
            self._by_route[route] = [
                live for live in self._rules if not live.spent and fnmatchcase(route, live.rule.route)
            ]
        return self._by_route[route]
