"""Longtake's command line."""

import tomllib
from pathlib import Path
from typing import Annotated

import typer

from commands import comfy, film, gate, lost, money, project
from commands.demo import demo
from commands.doctor import doctor
from commands.failures import CommandLine
from commands.temporal import temporal
from commands.up import up
from commands.watch import watch
from studio.ending import run_and_leave

app = typer.Typer(
    cls=CommandLine,
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


app.command()(demo)
app.command()(up)
app.command()(watch)
app.command()(doctor)
app.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []}
)(temporal)
app.add_typer(film.app, name="film")
app.add_typer(project.app, name="project")
app.add_typer(comfy.app, name="comfy")
app.add_typer(gate.app, name="gate")
app.add_typer(lost.app, name="lost")
app.add_typer(money.budget, name="budget")
app.add_typer(money.costs, name="costs")


if __name__ == "__main__":
    run_and_leave(app)
