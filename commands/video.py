"""`starter.py video …`: start, stop, resume and cancel videos."""

import asyncio
from pathlib import Path
from typing import NoReturn

from temporalio.client import WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError

from commands.gpu import gpu_standing
from commands.models import built_video
from commands.options import DATA, ClipPlace, Data, Json, VideoId, VideoPath, Wait
from commands.repeats import SameStills, refuse_repeats
from commands.running import Handle, handle_of, look, name_of, request_of, restart_video, standing, start_video
from commands.session import UNAVAILABLE, WRONG_INPUT, Session, fail, open_session, show_json
from commands.statuses import Seen, how_it_ended, see
from commands.telling import note, say, watch
from commands.video_file import BuiltVideo, VideoFileInvalid, put_stills
from studio.contracts.clip import ClipStatus
from studio.contracts.video import ClipProgress, Provider, VideoName, VideoRequest, VideoStatus
from studio.edits import keep_choices
from studio.errors import InvalidRequest

CLOSE_SECONDS = 60.0
"""How long a cancelled video is waited for."""


def start(
    file: VideoPath,
    wait: Wait = False,
    same_stills: SameStills = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Start a video. Everything wrong with it is said before anything starts."""
    asyncio.run(_start(file, wait, same_stills, data, as_json))


def request(file: VideoPath, data: Data = DATA) -> None:
    """Put a video's stills into the store and print the JSON that starts it from any language."""

    async def run() -> None:
        async with open_session(data) as session:
            video = await _build(session, file)
            await put_stills(video, session.objects)
            note(video.notes)
            show_json(video.request)

    asyncio.run(run())


def resume(video: VideoId, same_stills: SameStills = False, data: Data = DATA, as_json: Json = False) -> None:
    """Go on with a video that waits, or ended early: only what is missing is made."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, video)
            handle = handle_of(session, seen.name)
            if seen.running:
                await refuse_repeats(session, await request_of(session, seen.name), same_stills)
                await handle.signal("resume")
            else:
                handle = await _begun_again(session, seen, same_stills)
            say({"workflow_id": handle.id, "resumed": True}, f"{handle.id} goes on", as_json)

    asyncio.run(run())


def stop(video: VideoId, clip: ClipPlace, data: Data = DATA, as_json: Json = False) -> None:
    """Stop the render of one clip. The others go on; then the video waits for `video resume` or `video edit`."""

    async def run() -> None:
        async with open_session(data) as session:
            ended = await _stopped(session, await name_of(session, video), clip)
            value = {"clip": clip, "status": ended.status, "note": ended.note}
            say(value, f"clip {clip:02d} {ended.status}  {ended.note}", as_json)

    asyncio.run(run())


def cancel(video: VideoId, data: Data = DATA, as_json: Json = False) -> None:
    """Cancel a video, and say what it will cost all the same."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, video)
            handle = handle_of(session, seen.name)
            if not seen.running:
                fail(f"{how_it_ended(seen)}: there is nothing to cancel", code=WRONG_INPUT)
            gpu = await gpu_standing(session, handle)
            await handle.cancel()
            await _closed(handle, seen.called)
            progress = (await see(session, video)).progress
            told = {"workflow_id": handle.id, "status": progress.status, "message": progress.message}
            words = "\n".join(filter(None, [f"{progress.status}: {progress.message}", gpu.interrupted]))
            say(told | ({"interrupted": gpu.interrupted} if gpu.interrupted else {}), words, as_json)

    asyncio.run(run())


async def _start(file: Path, wait: bool, same_stills: bool, data: Path, as_json: bool) -> None:
    async with open_session(data) as session:
        asked = await _build(session, file)
        name = VideoName(channel=asked.request.channel, video_id=asked.request.video_id)
        before = await standing(session, name)
        if before is not None and before.running:
            _refuse_running(name)  # before the stills it works with are replaced
        wanted, _ = keep_choices(asked.request, before.request if before else None, asked.fixed)
        await refuse_repeats(session, wanted, same_stills)
        await put_stills(asked, session.objects)
        async with session.videos.turn(name.channel, name.video_id):
            before = await standing(session, name)
            video, changed = keep_choices(asked.request, before.request if before else None, asked.fixed)
            try:
                handle = await start_video(session, video)
            except WorkflowAlreadyStartedError:
                _refuse_running(name)
        if not as_json:
            note(asked.notes)
        if wait:
            return await watch(session, handle, as_json)
    started = {"workflow_id": handle.id, "run_id": handle.first_execution_run_id, "clips": len(video.clips)}
    compared = f", {len(changed)} of them changed" if before else ""
    notes = list(asked.notes)
    say(
        started | {"changed": changed, "notes": notes},
        f"{handle.id} started, {len(video.clips)} clips{compared}",
        as_json,
    )


def _refuse_running(video: VideoName) -> NoReturn:
    name = f"{video.channel}/{video.video_id}"
    fail(
        f"{name} is running already - Change a clip with `video edit {name} CLIP`, or `video cancel {name}` first",
        code=WRONG_INPUT,
    )


async def _build(session: Session, file: Path) -> BuiltVideo:
    try:
        return await built_video(session, file)
    except VideoFileInvalid as error:
        fail(f"{file} cannot be made:\n{error}", code=WRONG_INPUT)


async def _stopped(session: Session, name: VideoName, clip: int) -> ClipProgress:
    """Stop a clip's render, and how the clip has ended then: it may have been quicker."""
    now, words = await standing(session, name), f"{name.channel}/{name.video_id}"
    if now is None or not now.running:
        fail(f"{words} is not running", code=WRONG_INPUT)
    if now.request.provider is Provider.KLING:
        fail(
            f"{words}: an order at Kling cannot be stopped, it is paid - `video cancel {words}` orders no more of them"
        )
    if clip > len(now.request.clips):
        fail(f"{words} has clips 1 to {len(now.request.clips)}, no clip {clip}", code=WRONG_INPUT)
    handle = handle_of(session, name)
    await handle.signal("stop", clip)
    while True:
        seen = (await look(handle)).clips[clip - 1]
        if seen.status not in (ClipStatus.QUEUED, ClipStatus.RENDERING):
            return seen
        await asyncio.sleep(0.2)


async def _closed(handle: Handle, called: str) -> None:
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await handle.result()
    except WorkflowFailureError:
        return
    except TimeoutError:
        reason = (
            f"{called} is being cancelled, and ends when a worker serves the queue studio - `video status {called}`"
        )
        fail(reason, code=UNAVAILABLE)


async def _begun_again(session: Session, seen: Seen, same_stills: bool) -> Handle:
    """A video whose workflow has ended is started anew as it was asked for; what is made and paid is found again."""
    called = seen.called
    match seen.progress.status:
        case VideoStatus.VIDEO_READY:
            fail(f"{called} is ready, nothing is missing - `video result {called}` shows it", code=WRONG_INPUT)
        case VideoStatus.REFUSED:
            fail(f"{how_it_ended(seen)} - Correct its file, then `video start FILE`", code=WRONG_INPUT)

    async def unchanged(request: VideoRequest) -> VideoRequest:
        await refuse_repeats(session, request, same_stills)
        return request

    try:
        return (await restart_video(session, seen.name, "resumed", unchanged)).handle
    except InvalidRequest:
        fail(f"{how_it_ended(seen)} - Its request is not stored any more: `video start FILE`", code=WRONG_INPUT)
