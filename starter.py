"""Longtake's command line."""

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from commands.failures import CommandLine
from commands.lazily import Place, group_of
from studio.ending import run_and_leave

COMMANDS = {
    "demo": Place("commands.demo", "demo"),
    "up": Place("commands.up", "up"),
    "watch": Place("commands.watch", "watch"),
    "doctor": Place("commands.doctor", "doctor"),
    "temporal": Place(
        "commands.temporal",
        "temporal",
        {
            "context_settings": {
                "ignore_unknown_options": True,
                "allow_interspersed_args": False,
                "help_option_names": [],
            }
        },
    ),
    "video": Place("commands.videos"),
    "project": Place("commands.project"),
    "comfy": Place("commands.comfy"),
    "gate": Place("commands.gate"),
    "lost": Place("commands.lost"),
    "budget": Place("commands.money", "budget"),
    "costs": Place("commands.money", "costs"),
}

app = typer.Typer(
    cls=group_of(COMMANDS, CommandLine),
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        project = tomllib.loads((Path(__file__).parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        print(f"{project['name']} {project['version']}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Durable AI video production on Temporal."""


if __name__ == "__main__":
    run_and_leave(app)
