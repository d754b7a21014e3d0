"""`starter.py video delete | delete-take`: a video's files, rows and history; its takes only when asked for."""

import asyncio
from typing import Annotated

import typer

from commands.options import DATA, ClipPlace, Data, Json, VideoId
from commands.running import name_of
from commands.session import FAILED, WRONG_INPUT, Session, fail, open_session
from commands.statuses import Seen, see
from commands.takes import NAME
from commands.telling import say
from studio.contracts.clip import ClipId
from studio.contracts.video import VideoName
from studio.objects import keys
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from workflows_temporal.addresses import video_workflow_id
from workflows_temporal.executions import Executions


def delete_video(
    video: VideoId,
    takes: Annotated[bool, typer.Option("--takes", help="Also its takes that no other video has used.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Delete a video that does not run: its files, its rows, its history. The books of its orders stay.

    Takes stay too, unless `--takes` is given: they are paid for, and a video of the same clips would use them again.
    """

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, video)
            await _ensure_deletable(session, seen)
            name = seen.name
            own = await session.videos.own_takes(name.channel, name.video_id) if takes else []
            what = f"{seen.called}{f' and {len(own)} takes' if takes else ''}"
            if not (yes or as_json) and not typer.confirm(f"Delete {what} for good?"):
                fail(f"{seen.called} is not deleted", code=FAILED)
            await _delete(session, name, own)
            value = {"deleted": seen.called, "takes": own}
            say(value, f"{what} deleted; its orders stay in the books", as_json)

    asyncio.run(run())


def delete_take(
    video: VideoId,
    clip: ClipPlace,
    take: Annotated[str, typer.Argument(help="A take's name as `video takes` shows it, or enough of its beginning.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Delete one take of a clip that no video uses: its file, its picture, its rows. The books of its orders stay."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await name_of(session, video)
            whole = await _take_of(session, ClipId(channel=name.channel, video_id=name.video_id, number=clip), take)
            what = f"take {whole[:NAME]} of {name.channel}/{name.video_id}, clip {clip}"
            if not (yes or as_json) and not typer.confirm(f"Delete {what} for good?"):
                fail(f"{what} is not deleted", code=FAILED)
            for key in (keys.take_key(name.channel, whole), keys.picture_key(name.channel, whole)):
                await session.objects.delete(key)
            await TakeStore(session.database).delete(name.channel, whole)
            say({"deleted": whole}, f"{what} deleted; its orders stay in the books", as_json)

    asyncio.run(run())


async def _take_of(session: Session, clip: ClipId, beginning: str) -> str:
    """The whole name of a clip's take that may be deleted."""
    takes = TakeStore(session.database)
    found = [one.take for one in await takes.of_clip(clip) if one.take.startswith(beginning)]
    if len(found) != 1:
        known = f"which one? {', '.join(found)}" if found else "the clip has none of this name"
        fail(f"take {beginning}: {known} - `video takes` shows all", code=WRONG_INPUT)
    (take,) = found
    if users := await takes.users(clip.channel, take):
        used = ", ".join(f"{clip.channel}/{video_id}" for video_id in users)
        fail(f"take {take[:NAME]} is used by {used} - `video choose` another one there first", code=WRONG_INPUT)
    if orders := await takes.ordered(clip.channel, take):
        fail(f"{orders} orders of take {take[:NAME]} are still with the provider, and paid", code=WRONG_INPUT)
    return take


async def _ensure_deletable(session: Session, seen: Seen) -> None:
    name = seen.name
    if seen.running:
        fail(f"{seen.called} is running or waits - `video cancel {seen.called}` first", code=WRONG_INPUT)
    if orders := await SubmissionLedger(session.database).ordered(name.channel, name.video_id):
        fail(
            f"{len(orders)} orders of {seen.called} are still with the provider, and paid - Delete it when they are "
            "here, or decide about them with `lost list`",
            code=WRONG_INPUT,
        )


async def _delete(session: Session, name: VideoName, takes: list[str]) -> None:
    """The rows come last: a deletion that was interrupted is repeated."""
    await Executions(session.temporal).forget(video_workflow_id(name.channel, name.video_id))
    own = await session.objects.keys(keys.video_prefix(name.channel, name.video_id))
    for take in takes:
        own += [keys.take_key(name.channel, take), keys.picture_key(name.channel, take)]
    for key in own:
        await session.objects.delete(key)
    await session.videos.delete(name.channel, name.video_id, takes)
