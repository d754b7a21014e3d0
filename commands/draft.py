"""`starter.py video draft`: a video file to begin with, from a topic and a story."""

from pathlib import Path
from typing import Annotated

import typer
import yaml

from commands.session import WRONG_INPUT, fail
from studio.errors import InvalidRequest
from studio.prompts.manifest import draft_manifest


def draft_video(
    topic: Annotated[str, typer.Argument(help="What the video is about.")],
    story: Annotated[str, typer.Option(help="What happens, step by step.")] = "",
    clips: Annotated[int, typer.Option(help="How many clips.")] = 18,
    video: Annotated[str, typer.Option(help="The video's name.")] = "my-video",
    channel: Annotated[str, typer.Option(help="The channel's name.")] = "my-channel",
    stills: Annotated[Path, typer.Option(help="Folder of the stills, clip_01.png and so on.")] = Path("stills"),
) -> None:
    """Draft a video file with a motion prompt for every clip; edit it, then start it."""
    try:
        prompts = draft_manifest(topic, story, clips)
    except InvalidRequest as error:
        fail(str(error), code=WRONG_INPUT)
    document = {
        "video": video,
        "channel": channel,
        "title": topic[:200],
        "seconds": 10,
        "clips": [
            {"still": str(stills / f"clip_{place:02d}.png"), "prompt": prompt.model_dump()}
            for place, prompt in enumerate(prompts, start=1)
        ],
    }
    print(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110), end="")
