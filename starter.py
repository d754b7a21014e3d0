"""Longtake's command line."""

import typer

from commands import comfy, film, gate, lost, money, project
from commands.demo import demo
from commands.up import up
from commands.watch import watch
from studio.ending import run_and_leave

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Durable AI video production on Temporal.")
app.command()(demo)
app.command()(up)
app.command()(watch)
app.add_typer(film.app, name="film")
app.add_typer(project.app, name="project")
app.add_typer(comfy.app, name="comfy")
app.add_typer(gate.app, name="gate")
app.add_typer(lost.app, name="lost")
app.add_typer(money.budget, name="budget")
app.add_typer(money.costs, name="costs")


if __name__ == "__main__":
    run_and_leave(app)
