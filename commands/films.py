"""`starter.py film …`: which commands there are. Each is imported when it is called."""

import typer

from commands.lazily import Place, group_of

app = typer.Typer(
    cls=group_of(
        {
            "draft": Place("commands.draft", "draft_film"),
            "check": Place("commands.check", "check_film"),
            "plan": Place("commands.plan", "plan_film"),
            "open": Place("commands.export", "open_film"),
            "export": Place("commands.export", "export_film"),
            "edit": Place("commands.takes", "edit_clip"),
            "takes": Place("commands.takes", "list_takes"),
            "choose": Place("commands.takes", "choose_take"),
            "delete": Place("commands.deletion", "delete_film"),
            "delete-take": Place("commands.deletion", "delete_take"),
            "start": Place("commands.film", "start"),
            "request": Place("commands.film", "request"),
            "status": Place("commands.film_views", "status"),
            "resume": Place("commands.film", "resume"),
            "stop": Place("commands.film", "stop"),
            "cancel": Place("commands.film", "cancel"),
            "result": Place("commands.film_views", "result"),
            "costs": Place("commands.film_views", "costs"),
            "list": Place("commands.film_views", "list_films"),
        }
    ),
    no_args_is_help=True,
    help="Films: start, watch, change, resume, cancel.",
)
