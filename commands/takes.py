"""`starter.py video edit | takes | choose`: several takes of a clip, and which of them the video uses."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from commands.options import DATA, ClipPlace, Data, Json, VideoId, Wait
from commands.repeats import repeats_in
from commands.running import Change, name_of, request_of, restart_video
from commands.session import WRONG_INPUT, Session, fail, open_session, out, show_json
from commands.telling import note, say, watch
from commands.video_stills import StillReader, StillRefused
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId, Fit, StillSource
from studio.contracts.take import TakeOfClip
from studio.contracts.video import VideoName, VideoRequest
from studio.edits import change_clip, choose, clip_of, make_again
from studio.errors import InvalidRequest
from studio.objects import keys
from studio.prompts.style import with_style
from studio.store.budgets import BudgetStore
from studio.store.orders import Submission
from studio.store.takes import TakeStore
from studio.takes import takes_of

NAME = 12
"""Characters of a take's digest that people see."""
_PROMPT = 60


def edit_clip(
    video: VideoId,
    clip: ClipPlace,
    prompt: Annotated[str | None, typer.Option(help="Another motion prompt, the camera last.")] = None,
    still: Annotated[Path | None, typer.Option(help="Another still.")] = None,
    fit: Annotated[Fit | None, typer.Option(help="For a still of another shape than the video.")] = None,
    seconds: Annotated[int | None, typer.Option(help="Another length: 5 or 10.")] = None,
    again: Annotated[bool, typer.Option("--again", help="The same once more: a further take.")] = False,
    wait: Wait = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Change one clip and start the video anew: only what has no take yet is made. A video that runs is replaced."""
    what = [name for name, given in (("prompt", prompt), ("still", still), ("seconds", seconds)) if given is not None]
    if again == bool(what):
        fail("What is to change? Say --prompt, --still or --seconds, or --again for the same", code=WRONG_INPUT)

    async def run() -> None:
        async with open_session(data) as session:
            name = await name_of(session, video)
            takes = TakeStore(session.database)
            picture = await _put_still(session, name, clip, still, fit) if still else None

            async def change(request: VideoRequest) -> VideoRequest:
                if again:
                    return await make_again(request, clip, takes)
                ref, source = picture or (None, None)
                return change_clip(request, clip, prompt=prompt, still=ref, source=source, seconds=seconds)

            words = "another take" if again else f"another {' and '.join(what)}"
            await _restart(session, name, clip, words, change, wait, as_json)

    asyncio.run(run())


def choose_take(
    video: VideoId,
    clip: ClipPlace,
    take: Annotated[str, typer.Argument(help="A take's name as `video takes` shows it, or enough of its beginning.")],
    wait: Wait = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Use a certain take for a clip and join the video anew. Rolling back is choosing an older one."""

    async def run() -> None:
        async with open_session(data) as session:
            takes = TakeStore(session.database)

            async def change(request: VideoRequest) -> VideoRequest:
                return await choose(request, clip, take, takes)

            name = await name_of(session, video)
            await _restart(session, name, clip, f"take {take[:NAME]}", change, wait, as_json)

    asyncio.run(run())


def list_takes(
    video: VideoId,
    clip: Annotated[int | None, typer.Argument(min=1, help="Only this clip's.")] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List the takes of a video's clips, the oldest first, and the orders that came to nothing."""

    async def run() -> None:
        async with open_session(data) as session:
            request = await request_of(session, await name_of(session, video))
            shown = await _takes(session, request, clip)
        if as_json:
            return show_json(shown)
        style = request.prompt_prefix
        for one in shown:
            out.print(f"clip {one['clip']:02d}", highlight=False)
            for line in [line for entry in [*one["takes"], *one["rejected"]] for line in take_lines(entry, style)]:
                out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)

    asyncio.run(run())


async def _takes(session: Session, video: VideoRequest, number: int | None) -> list[dict[str, Any]]:
    try:
        clips = [clip_of(video, number)] if number else video.clips
    except InvalidRequest as error:
        fail(str(error), code=WRONG_INPUT)
    orders = await BudgetStore(session.database).orders(video.channel, video.video_id)
    store = TakeStore(session.database)
    shown = []
    for clip in clips:
        takes = await store.of_clip(ClipId(channel=video.channel, video_id=video.video_id, number=clip.number))
        rejected = [order for order in orders if order.number == clip.number and _is_rejected(order)]
        shown.append(
            {
                "clip": clip.number,
                "takes": [_take(session, take) for take in takes],
                "rejected": [_rejected(session, order) for order in rejected],
            }
        )
    return shown


def _take(session: Session, take: TakeOfClip) -> dict[str, Any]:
    file = take.file
    return {
        "take": take.take,
        "verdict": take.verdict,
        "cost_usd": take.cost_usd,
        "seconds": take.parts.seconds,
        "variant": take.parts.variant,
        "made_at": take.made_at,
        "prompt": take.parts.prompt,
        "file": session.place(file.media.key) if file else None,
        "picture": session.place(file.picture.key) if file and file.picture else None,
    }


def _is_rejected(order: Submission) -> bool:
    return order.state == "refused" or (order.state == "settled" and order.verdict != "delivered")


def _rejected(session: Session, order: Submission) -> dict[str, Any]:
    kept = order.verdict == "bad" and order.task_id
    return {
        "take": order.take,
        "verdict": f"{order.verdict or order.state}: {order.reason}",
        "cost_usd": order.billed_usd or 0,
        "made_at": order.sent_at,
        "file": session.place(keys.rejected_key(order.clip, order.task_id)) if kept and order.task_id else None,
    }


def take_lines(entry: dict[str, Any], style: str = "") -> list[str]:
    """A take, or an order that came to nothing, for people. The video's `style` is not said again in each prompt."""
    made = f"{entry['made_at']:%Y-%m-%d %H:%M}" if entry["made_at"] else ""
    length = f"{entry['seconds']} s" if "seconds" in entry else ""
    prompt = str(entry.get("prompt", "")).removeprefix(with_style("", style))
    words = prompt if len(prompt) <= _PROMPT else f"{prompt[: _PROMPT - 1]}…"
    facts = [entry["take"][:NAME], entry["verdict"], f"{entry['cost_usd']:.2f} USD", length, made, words]
    places = [f"    {name:<8} {entry[name]}" for name in ("file", "picture") if entry.get(name)]
    return ["  ".join(fact for fact in facts if fact), *places]


async def _restart(
    session: Session, video: VideoName, clip: int, what: str, change: Change, wait: bool, as_json: bool
) -> None:
    why = f"clip {clip:02d}: {what}"
    try:
        started = await restart_video(session, video, why, change)
    except InvalidRequest as error:
        fail(f"{video.channel}/{video.video_id} stays as it is:\n{error}", code=WRONG_INPUT)
    repeats = await repeats_in(session, started.request)
    if repeats and not as_json:
        note([f"{one} - the same still and prompt are bought again" for one in repeats])
    if not (wait and as_json):
        replaced = "; the run that was not finished is replaced" if started.replaced else ""
        now = {"workflow_id": started.handle.id, "run_id": started.handle.first_execution_run_id}
        take, _ = takes_of(started.request)[clip - 1]
        words = f"{started.handle.id} started anew, {why} → {take[:NAME]}{replaced}"
        say(now | {"replaced": started.replaced, "clip": clip, "take": take}, words, as_json)
    if wait:
        await watch(session, started.handle, as_json)


async def _put_still(
    session: Session, video: VideoName, number: int, path: Path, fit: Fit | None
) -> tuple[MediaRef, StillSource | None]:
    """Bring another still into the store, beside the one it replaces."""
    request = await request_of(session, video)
    reader = StillReader(Path(), session.scratch, request.provider, request.width, request.height)
    try:
        wanted = fit or clip_of(request, number).fit or request.fit
        still = await asyncio.to_thread(reader.look, str(path), wanted)
    except InvalidRequest as error:
        fail(str(error), code=WRONG_INPUT)
    except StillRefused as error:
        fail(f"clip {number}, still: {path}: {error}", code=WRONG_INPUT)
    note(f"clip {number}, still: {path}: {change}" for change in still.changes)
    clip = ClipId(channel=video.channel, video_id=video.video_id, number=number)
    key = keys.new_still_key(clip, still.mime, still.sha256)
    return await session.objects.put(still.path, key, still.mime), still.source
