"""Clips that would be bought again with a still whose last clip was thrown away for what it showed."""

from typing import Annotated

import typer

from commands.session import WRONG_INPUT, Session, fail
from studio.contracts.video import VideoRequest
from studio.plans import repeated
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore

MOST_NAMED = 20
"""Clips that are named; further ones are counted."""

SameStills = Annotated[
    bool, typer.Option("--same-stills", help="Buy clips again whose last ones were thrown away as black or frozen.")
]


async def repeats_in(session: Session, video: VideoRequest) -> list[str]:
    """A sentence for each such clip: `clip 3: black for 4.2 s of 5.0 s`."""
    found = await repeated(video, TakeStore(session.database), SubmissionLedger(session.database))
    more = [f"and {len(found) - MOST_NAMED} more"] if len(found) > MOST_NAMED else []
    return [f"clip {number}: {reason}" for number, reason in list(found.items())[:MOST_NAMED]] + more


async def refuse_repeats(session: Session, video: VideoRequest, same_stills: bool) -> None:
    """End the command when the video would buy such clips, unless that is wanted."""
    if same_stills or not (repeats := await repeats_in(session, video)):
        return
    name = f"{video.channel}/{video.video_id}"
    fail(
        "\n".join(
            [
                "The last clips of these stills were paid for and thrown away:",
                *repeats,
                "The same still and prompt will most likely give the same again - Change them with "
                f"`video edit {name} CLIP --still FILE` or `--prompt TEXT`, "
                "or say --same-stills to buy the clips again as they are",
            ]
        ),
        code=WRONG_INPUT,
    )
