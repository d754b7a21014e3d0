"""`starter.py film …`: start, watch, resume and cancel films."""

import asyncio
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.table import Table
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import WorkflowAlreadyStartedError

from commands.check import check_film
from commands.deletion import delete_film
from commands.draft import draft_film
from commands.export import export_film, open_film
from commands.filmfile import BuiltFilm, FilmFileInvalid, put_stills
from commands.gpu import gpu_standing
from commands.models import built_film
from commands.options import DATA, ClipPlace, Data, FilmId, FilmPath, Json, Wait
from commands.plan import plan_film
from commands.repeats import SameStills, refuse_repeats
from commands.running import Handle, handle_of, look, name_of, request_of, restart_film, standing, start_film
from commands.session import UNAVAILABLE, WRONG_INPUT, Session, fail, open_session, out, show_json
from commands.statuses import Seen, see
from commands.table import render
from commands.takes import choose_take, edit_clip, list_takes
from commands.telling import TYPICAL_SECONDS, note, say, show_result, watch
from studio.contracts.clip import ClipStatus
from studio.contracts.film import ClipProgress, FilmName, Provider, VideoRequest, VideoStatus
from studio.edits import keep_choices
from studio.errors import InvalidRequest
from studio.store.budgets import BudgetStore
from studio.store.costs import CostStore
from workflows_temporal.video import VideoWorkflow

WIDE = 90
"""Columns of a terminal from which on a list has all of its own."""
CLOSE_SECONDS = 60.0
"""How long a cancelled film is waited for."""

app = typer.Typer(no_args_is_help=True, help="Films: start, watch, change, resume, cancel.")
app.command("draft")(draft_film)
app.command("check")(check_film)
app.command("plan")(plan_film)
app.command("open")(open_film)
app.command("export")(export_film)
app.command("edit")(edit_clip)
app.command("takes")(list_takes)
app.command("choose")(choose_take)
app.command("delete")(delete_film)


@app.command()
def start(
    file: FilmPath,
    wait: Wait = False,
    same_stills: SameStills = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Start a film. Everything wrong with it is said before anything starts."""
    asyncio.run(_start(file, wait, same_stills, data, as_json))


@app.command()
def request(file: FilmPath, data: Data = DATA) -> None:
    """Put a film's stills into the store and print the JSON that starts it from any language."""

    async def run() -> None:
        async with open_session(data) as session:
            film = await _build(session, file)
            await put_stills(film, session.objects)
            note(film.notes)
            show_json(film.request)

    asyncio.run(run())


@app.command()
def status(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show how a film stands, clip by clip."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, film)
            gpu = await gpu_standing(session, *([handle_of(session, seen.name)] if seen.running else []))
            if as_json:
                return show_json(seen.progress.model_dump(mode="json") | gpu.told | {"note": seen.note})
            speed = session.settings.kie_speed
            out.print(render(seen.progress, typical_seconds=TYPICAL_SECONDS / speed, height=10_000, width=out.width))
            for line in [*gpu.lines, *([seen.note] if seen.note else [])]:
                out.print(line, highlight=False, markup=False, soft_wrap=True)

    asyncio.run(run())


@app.command()
def resume(film: FilmId, same_stills: SameStills = False, data: Data = DATA, as_json: Json = False) -> None:
    """Go on with a film that waits, or ended early: only what is missing is made."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, film)
            handle = handle_of(session, seen.name)
            if seen.running:
                await refuse_repeats(session, await request_of(session, seen.name), same_stills)
                await handle.signal(VideoWorkflow.resume)
            else:
                handle = await _begun_again(session, seen, same_stills)
            say({"workflow_id": handle.id, "resumed": True}, f"{handle.id} goes on", as_json)

    asyncio.run(run())


@app.command()
def stop(film: FilmId, clip: ClipPlace, data: Data = DATA, as_json: Json = False) -> None:
    """Stop the render of one clip. The others go on; then the film waits for `film resume` or `film edit`."""

    async def run() -> None:
        async with open_session(data) as session:
            ended = await _stopped(session, await name_of(session, film), clip)
            value = {"clip": clip, "status": ended.status, "note": ended.note}
            say(value, f"clip {clip:02d} {ended.status}  {ended.note}", as_json)

    asyncio.run(run())


@app.command()
def cancel(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Cancel a film, and say what it will cost all the same."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, film)
            handle = handle_of(session, seen.name)
            if not seen.running:
                fail(f"{_ended(seen)}: there is nothing to cancel", code=WRONG_INPUT)
            gpu = await gpu_standing(session, handle)
            await handle.cancel()
            await _closed(handle, seen.called)
            progress = (await see(session, film)).progress
            told = {"workflow_id": handle.id, "status": progress.status, "message": progress.message}
            words = "\n".join(filter(None, [f"{progress.status}: {progress.message}", gpu.interrupted]))
            say(told | ({"interrupted": gpu.interrupted} if gpu.interrupted else {}), words, as_json)

    asyncio.run(run())


@app.command()
def result(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what came out: the film, its contact sheet, its costs."""

    async def run() -> None:
        async with open_session(data) as session:
            seen = await see(session, film)
            progress, name = seen.progress, seen.name
            if seen.running:
                so_far = f"{progress.status}, {progress.done} of {progress.total} clips"
                fail(f"{seen.called} is not finished: {so_far} - `watch {seen.called}` waits for it")
            outcome = await session.films.result(name.channel, name.video_id)
            if progress.status is not VideoStatus.VIDEO_READY or outcome is None:
                before = f"\nThe film of the run before: {session.place(outcome.film.key)}" if outcome else ""
                fail(f"{_ended(seen)}{before}")
            show_json(outcome) if as_json else show_result(session, outcome)

    asyncio.run(run())


@app.command()
def costs(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what a film has cost so far, order by order, and how far bills differ from the price list."""

    async def run() -> None:
        async with open_session(data) as session:
            name = await name_of(session, film)
            if not await session.films.find(channel=name.channel, video_id=name.video_id, limit=1):
                await see(session, film)  # ends the command when Temporal does not know it either
            orders = await BudgetStore(session.database).orders(name.channel, name.video_id)
            cost = await CostStore(session.database).cost(name.channel, name.video_id)
            if as_json:
                return show_json([vars(order) for order in orders])
            table = Table("clip", "order", "state", "price USD", "billed USD", box=None)
            for order in orders:
                bill = "" if order.billed_usd is None else f"{order.billed_usd:.2f}"
                state = f"{order.state}, {order.verdict}" if order.verdict else order.state
                table.add_row(str(order.number), order.id[:13], state, f"{order.price_usd:.2f}", bill)
            out.print(table)
            against = f"({cost.over_estimate_usd:+.2f} against the price list)"
            words = f"billed {cost.cost_usd:.2f} USD {against}, open {cost.open_usd:.2f} USD"
            out.print(words, highlight=False)

    asyncio.run(run())


@app.command("list")
def list_films(
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List films, the last changed first."""

    async def run() -> None:
        async with open_session(data) as session:
            rows = await session.films.find(channel=channel)
            if as_json:
                return show_json([vars(row) for row in rows])
            is_wide = out.width >= WIDE
            table = Table("film", "status", "clips", "USD", *(["changed", "message"] if is_wide else []), box=None)
            for row in rows:
                done = f"{row.clips_done}/{row.clip_count}"
                rest = [row.updated_at.strftime("%Y-%m-%d %H:%M"), row.message.partition("\n")[0]]
                name = f"{row.channel}/{row.video_id}"
                table.add_row(name, row.status, done, f"{row.total_cost_usd:.2f}", *(rest if is_wide else []))
            out.print(table)

    asyncio.run(run())


async def _start(file: Path, wait: bool, same_stills: bool, data: Path, as_json: bool) -> None:
    async with open_session(data) as session:
        asked = await _build(session, file)
        name = FilmName(channel=asked.request.channel, video_id=asked.request.video_id)
        before = await standing(session, name)
        if before is not None and before.running:
            _refuse_running(name)  # before the stills it works with are replaced
        wanted, _ = keep_choices(asked.request, before.request if before else None, asked.fixed)
        await refuse_repeats(session, wanted, same_stills)
        await put_stills(asked, session.objects)
        async with session.films.turn(name.channel, name.video_id):
            before = await standing(session, name)
            film, changed = keep_choices(asked.request, before.request if before else None, asked.fixed)
            try:
                handle = await start_film(session, film)
            except WorkflowAlreadyStartedError:
                _refuse_running(name)
        if not as_json:
            note(asked.notes)
        if wait:
            return await watch(session, handle, as_json)
    started = {"workflow_id": handle.id, "run_id": handle.first_execution_run_id, "clips": len(film.clips)}
    compared = f", {len(changed)} of them changed" if before else ""
    notes = list(asked.notes)
    say(
        started | {"changed": changed, "notes": notes},
        f"{handle.id} started, {len(film.clips)} clips{compared}",
        as_json,
    )


def _refuse_running(film: FilmName) -> NoReturn:
    name = f"{film.channel}/{film.video_id}"
    fail(
        f"{name} is running already - Change a clip with `film edit {name} CLIP`, or `film cancel {name}` first",
        code=WRONG_INPUT,
    )


async def _build(session: Session, file: Path) -> BuiltFilm:
    try:
        return await built_film(session, file)
    except FilmFileInvalid as error:
        fail(f"{file} cannot be made:\n{error}", code=WRONG_INPUT)


async def _stopped(session: Session, name: FilmName, clip: int) -> ClipProgress:
    """Stop a clip's render, and how the clip has ended then: it may have been quicker."""
    now, words = await standing(session, name), f"{name.channel}/{name.video_id}"
    if now is None or not now.running:
        fail(f"{words} is not running", code=WRONG_INPUT)
    if now.request.provider is Provider.KLING:
        fail(f"{words}: an order at Kling cannot be stopped, it is paid - `film cancel {words}` orders no more of them")
    if clip > len(now.request.clips):
        fail(f"{words} has clips 1 to {len(now.request.clips)}, no clip {clip}", code=WRONG_INPUT)
    handle = handle_of(session, name)
    await handle.signal(VideoWorkflow.stop, clip)
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
        reason = f"{called} is told to stop, and stops when a worker serves the queue studio - `film status {called}`"
        fail(reason, code=UNAVAILABLE)


def _ended(seen: Seen) -> str:
    """How a video ended, for a person who wanted it to run."""
    progress = seen.progress
    return f"{seen.called} has ended: {progress.status}{f', {progress.message}' if progress.message else ''}"


async def _begun_again(session: Session, seen: Seen, same_stills: bool) -> Handle:
    """A video whose workflow has ended is started anew as it was asked for; what is made and paid is found again."""
    called = seen.called
    match seen.progress.status:
        case VideoStatus.VIDEO_READY:
            fail(f"{called} is ready, nothing is missing - `film result {called}` shows it", code=WRONG_INPUT)
        case VideoStatus.REFUSED:
            fail(f"{_ended(seen)} - Correct its file, then `film start FILE`", code=WRONG_INPUT)

    async def unchanged(request: VideoRequest) -> VideoRequest:
        await refuse_repeats(session, request, same_stills)
        return request

    try:
        return (await restart_film(session, seen.name, "resumed", unchanged)).handle
    except InvalidRequest:
        fail(f"{_ended(seen)} - What it was to be is not known any more: `film start FILE`", code=WRONG_INPUT)
