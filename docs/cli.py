"""Writes the tables of docs/cli.md: every command, every exit code."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from commands import failures
from commands.failures import ExitCode
from starter import app


def cli_page(source: str) -> str:
    """The page with its tables as they are today."""
    return filled(filled(source, "exit codes", _exit_codes()), "commands", _commands())


def filled(source: str, part: str, text: str) -> str:
    """A text with what lies between its markers replaced.

    Raises:
        SystemExit: it has no such markers.
    """
    begin, end = f"<!-- {part}: generated -->\n", f"<!-- /{part} -->"
    head, _, rest = source.partition(begin)
    if end not in rest:
        raise SystemExit(f"there is no place for {part}")
    return f"{head}{begin}{text}{end}{rest.partition(end)[2]}"


def _exit_codes() -> str:
    """A member's meaning is the text below it in the source, as editors show it."""
    source = Path(failures.__file__).read_text(encoding="utf-8")
    meanings = dict(re.findall(r'^    ([A-Z_]+) = \d+\n    """(.+?)"""', source, re.MULTILINE | re.DOTALL))
    rows = [f"| {int(code)} | `{code.name.lower()}` | {' '.join(meanings[code.name].split())} |" for code in ExitCode]
    return "\n".join(["| code | kind | meaning |", "|---|---|---|", *rows]) + "\n"


def _commands() -> str:
    rows = [
        f"| `{' '.join([path, *_arguments(command)])}` | {_first_sentence(command)} |"
        for path, command in _leaves("", typer.main.get_command(app))
    ]
    return "\n".join(["| command | what it does |", "|---|---|", *rows]) + "\n"


def _leaves(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Commands that do something, below this one."""
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, child in command.commands.items():
        yield from _leaves(f"{path} {name}".strip(), child)


def _arguments(command: Any) -> list[str]:
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    return [one.name.upper() if one.required else f"[{one.name.upper()}]" for one in arguments]


def _first_sentence(command: Any) -> str:
    text = " ".join((command.help or "").split())
    return re.split(r"(?<=[.:]) (?=[A-Z])", text)[0].rstrip(".:") + "."
