"""Commands that are imported when they are called: importing all of them takes more than a second of a core."""

import gc
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from types import MappingProxyType
from typing import Any

import typer.main
from typer.core import TyperGroup


@dataclass(frozen=True)
class Place:
    """Where a command's function, or a group's `typer.Typer`, is: module and name."""

    module: str
    name: str = "app"
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What `typer.Typer.command` takes beside the command's name."""


def group_of(places: Mapping[str, Place], base: type[TyperGroup] = TyperGroup) -> type[TyperGroup]:
    """A group of these commands, by name, in this order; its help imports all of them."""

    class Group(base):  # type: ignore[valid-type, misc]
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.commands = _Commands(places)

    return Group


class _Commands(MutableMapping[str, Any]):
    """Click's commands by name, each made when it is first asked for."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        self._places = places
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _made(name, self._places[name])
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._made or name in self._places

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("Commands are not removed")

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._places, *self._made]))

    def __len__(self) -> int:
        return len(self._places.keys() | self._made.keys())


def _made(name: str, place: Place) -> Any:
    with _without_collector():
        target = getattr(import_module(place.module), place.name)
    if isinstance(target, typer.Typer):
        command: Any = typer.main.get_group(target)
        command.name = name
        return command
    alone = typer.Typer(add_completion=False)
    alone.command(name, **place.settings)(target)
    return typer.main.get_command(alone)


@contextmanager
def _without_collector() -> Iterator[None]:
    """What is imported stays: going through it again and again takes a seventh of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
