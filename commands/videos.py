"""`starter.py video …`: which commands there are. Each is imported when it is called."""

import typer

from commands.lazily import Place, group_of

app = typer.Typer(
    cls=group_of(
        {
            "draft": Place("commands.draft", "draft_video"),
            "check": Place("commands.check", "check_video"),
            "plan": Place("commands.plan", "plan_video"),
            "open": Place("commands.export", "open_video"),
            "export": Place("commands.export", "export_video"),
            "edit": Place("commands.takes", "edit_clip"),
            "takes": Place("commands.takes", "list_takes"),
            "choose": Place("commands.takes", "choose_take"),
            "delete": Place("commands.deletion", "delete_video"),
            "delete-take": Place("commands.deletion", "delete_take"),
            "start": Place("commands.video", "start"),
            "request": Place("commands.video", "request"),
            "status": Place("commands.video_views", "status"),
            "resume": Place("commands.video", "resume"),
            "stop": Place("commands.video", "stop"),
            "cancel": Place("commands.video", "cancel"),
            "result": Place("commands.video_views", "result"),
            "costs": Place("commands.video_views", "costs"),
            "list": Place("commands.video_views", "list_videos"),
        }
    ),
    no_args_is_help=True,
    help="Videos: start, watch, change, resume, cancel.",
)
