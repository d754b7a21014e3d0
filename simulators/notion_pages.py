"""A Notion page: typed properties, the rules for changing them, and every value they ever had."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Group = Literal["to_do", "in_progress", "complete"]

VIDEO_STATUSES: dict[str, Group] = {
    "Not started": "to_do",
    "Queued": "to_do",
    "Processing": "in_progress",
    "Video Ready": "complete",
    "Video Error": "complete",
}


class PropertyConfig(BaseModel):
    """A property and its kind. Options: name → group, for a status; a select makes its own as it goes."""

    model_config = ConfigDict(extra="forbid")

    type: str = "status"
    options: dict[str, Group] = {}
    value: Any = None


def status_property(*names: str, value: str | None = None, **groups: Group) -> PropertyConfig:
    """A status with these options; unnamed ones belong to the group `complete`."""
    options: dict[str, Group] = {**{name: "complete" for name in names}, **groups}
    return PropertyConfig(type="status", options=options or VIDEO_STATUSES, value=value)


def select_property(*names: str, value: str | None = None) -> PropertyConfig:
    return PropertyConfig(type="select", options=dict.fromkeys(names, "to_do"), value=value)


class PageConfig(BaseModel):
    """A page to begin with: by default the page of a video, with a title and a status."""

    model_config = ConfigDict(extra="forbid")

    page_id: str | None = None
    shared: bool = True
    properties: dict[str, PropertyConfig] = {
        "Name": PropertyConfig(type="title", value=[]),
        "Status": PropertyConfig(type="status", options=VIDEO_STATUSES, value="Not started"),
    }


@dataclass(frozen=True)
class Change:
    """A value a property was given, and when."""

    value: Any
    wall: float
    virtual: float


class Rejected(Exception):
    """The change does not fit the schema."""


class Page:
    """One page, in a database of its own."""

    def __init__(self, page_id: str, config: PageConfig, now: float) -> None:
        self.page_id = page_id
        self.database_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"database of {page_id}"))
        self.shared = config.shared
        self.kinds = {name: entry.type for name, entry in config.properties.items()}
        self.options: dict[str, dict[str, Group]] = {n: dict(e.options) for n, e in config.properties.items()}
        self.values: dict[str, Any] = {name: entry.value for name, entry in config.properties.items()}
        self.history: dict[str, list[Change]] = {}
        self.created = self.edited = now

    def patch(self, body: dict[str, Any], now: float, wall: float, *, reject_in_progress: bool) -> None:
        """All or nothing; what is not mentioned stays as it is."""
        given = body.get("properties", {})
        if not isinstance(given, dict):
            raise Rejected("body.properties should be an object.")
        fresh = {}
        for key, value in given.items():
            name = self._named(key)
            fresh[name] = self._fitting(name, value, reject_in_progress)
        for name, value in fresh.items():
            if self.kinds[name] == "select" and value is not None:
                self.options[name].setdefault(value, "to_do")
            self.values[name] = value
            self.history.setdefault(name, []).append(Change(value, wall, now))
        self.edited = now

    def _named(self, key: str) -> str:
        found = [name for name in self.kinds if key in (name, _property_id(name))]
        if not found:
            raise Rejected(f"{key} is not a property that exists.")
        return found[0]

    def _fitting(self, name: str, value: Any, reject_in_progress: bool) -> Any:
        kind = self.kinds[name]
        if not isinstance(value, dict) or kind not in value:
            raise Rejected(f"{name} is expected to be {kind}.")
        chosen = value[kind]
        if kind not in ("status", "select") or chosen is None:
            return chosen
        if not isinstance(chosen, dict) or not chosen.keys() & {"name", "id"}:
            raise Rejected(f"body.properties.{name}.{kind} should have name or id.")
        option = chosen.get("name") or self._option(name, str(chosen.get("id")))
        return self._known(name, str(option), reject_in_progress) if kind == "status" else str(option)

    def _option(self, name: str, option_id: str) -> str:
        found = [option for option in self.options[name] if _option_id(name, option) == option_id]
        if not found:
            raise Rejected(f"{name} has no option with id {option_id}.")
        return found[0]

    def _known(self, name: str, option: str, reject_in_progress: bool) -> str:
        group = self.options[name].get(option)
        if group is None or (reject_in_progress and group == "in_progress"):
            raise Rejected(f'Invalid status option. Status option "{option}" does not exist.')
        return option

    # ── what the API tells ───────────────────────────────────────────────

    def to_json(self, base: str) -> dict[str, Any]:
        return {
            "object": "page",
            "id": self.page_id,
            "created_time": _moment(self.created),
            "last_edited_time": _moment(self.edited),
            "parent": {"type": "data_source_id", "data_source_id": self.database_id, "database_id": self.database_id},
            "in_trash": False,
            "properties": {name: self._told(name) for name in self.kinds},
            "url": f"{base}/{self.page_id.replace('-', '')}",
        }

    def schema(self) -> dict[str, Any]:
        return {name: self._described(name) for name in self.kinds}

    def _told(self, name: str) -> dict[str, Any]:
        kind, value = self.kinds[name], self.values[name]
        if kind in ("status", "select") and value is not None:
            value = {"id": _option_id(name, value), "name": value, "color": "default"}
        return {"id": _property_id(name), "type": kind, kind: value}

    def _described(self, name: str) -> dict[str, Any]:
        kind = self.kinds[name]
        options = [{"id": _option_id(name, o), "name": o, "color": "default"} for o in self.options[name]]
        details: dict[str, Any] = {"options": options} if kind in ("status", "select") else {}
        if kind == "status":
            details["groups"] = [
                {"id": group, "name": group.replace("_", " ").capitalize(), "option_ids": self._of_group(name, group)}
                for group in ("to_do", "in_progress", "complete")
            ]
        return {"id": _property_id(name), "name": name, "type": kind, kind: details}

    def _of_group(self, name: str, group: str) -> list[str]:
        return [_option_id(name, option) for option, own in self.options[name].items() if own == group]


def _property_id(name: str) -> str:
    return "title" if name == "Name" else uuid.uuid5(uuid.NAMESPACE_URL, name).hex[:4]


def _option_id(name: str, option: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{option}"))


def _moment(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
