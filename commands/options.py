"""Options and arguments that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

from commands.completion import video_names
from commands.session import USUAL_DATA

DATA = USUAL_DATA

Data = Annotated[Path, typer.Option("--data", help="Data directory of the stack to talk to.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Wait = Annotated[bool, typer.Option("--wait", help="Watch until it is ready or needs you.")]
VideoId = Annotated[
    str,
    typer.Argument(
        help="CHANNEL/VIDEO, or VIDEO when no other channel has one of that name.", autocompletion=video_names
    ),
]
VideoPath = Annotated[Path, typer.Argument(help="A video file (YAML).")]
ClipPlace = Annotated[int, typer.Argument(min=1, help="The clip's number.")]
