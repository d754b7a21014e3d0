"""Tab completion of videos' names, for the stack of the environment or of the usual data directory."""

import asyncio

from commands.session import USUAL_DATA, settings_if_any, stores_of
from studio.store.videos import VideoStore

WAIT_SECONDS = 2.0
"""A shell that waits longer for Tab seems to hang."""


def video_names(incomplete: str) -> list[str]:
    """Videos whose name, or CHANNEL/VIDEO, begins like this; none when there is no database to ask."""
    try:
        return asyncio.run(_names(incomplete))
    except Exception:  # whatever is wrong: a command that is run says it, a key that is pressed does not
        return []


async def _names(incomplete: str) -> list[str]:
    settings = settings_if_any(USUAL_DATA)
    if settings is None:
        return []
    async with asyncio.timeout(WAIT_SECONDS), stores_of(settings) as stores:
        rows = await VideoStore(stores.database).find()
    names = [f"{row.channel}/{row.video_id}" for row in rows]
    return [name for name in names if name.startswith(incomplete) or name.partition("/")[2].startswith(incomplete)]
