"""`starter.py film …`: start, watch, resume and cancel films."""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from commands.draft import draft_film
from commands.filmfile import FilmFileInvalid, read_film_file, to_request
from commands.session import WRONG_INPUT, Session, fail, open_session, out, show_json
from commands.table import SETTLED, follow, render
from studio.contracts.film import VideoProgress, VideoRequest, VideoResult, VideoStatus
from studio.store.budgets import BudgetStore
from workflows_temporal.addresses import TaskQueue, video_workflow_id
from workflows_temporal.video import VideoWorkflow

app = typer.Typer(no_args_is_help=True, help="Films: start, watch, resume, cancel.")
app.command("draft")(draft_film)

Data = Annotated[Path, typer.Option("--data", help="Data directory of the stack to talk to.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
FilmId = Annotated[str, typer.Argument(help="CHANNEL/FILM, or FILM when no other channel has one of that name.")]
FilmPath = Annotated[Path, typer.Argument(help="A film file (YAML).")]
DATA = Path("data")

Handle = WorkflowHandle[VideoWorkflow, VideoResult]
TYPICAL_SECONDS = 150.0
"""How long Kling takes for a clip, typically; for the bars only."""


@app.command()
def start(
    file: FilmPath,
    wait: Annotated[bool, typer.Option("--wait", help="Watch until it is ready or needs you.")] = False,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Start a film. Everything wrong with it is said before anything starts."""
    asyncio.run(_start(file, wait, data, as_json))


@app.command()
def request(file: FilmPath, data: Data = DATA) -> None:
    """Put a film's stills into the store and print the JSON that starts it from any language."""

    async def run() -> None:
        async with open_session(data) as session:
            show_json(await _request(file, session))

    asyncio.run(run())


@app.command()
def status(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show how a film stands, clip by clip."""

    async def run() -> None:
        async with open_session(data) as session:
            progress = await look(await find(session, film))
            if as_json:
                show_json(progress)
            else:
                speed = session.settings.kie_speed
                out.print(render(progress, typical_seconds=TYPICAL_SECONDS / speed, height=10_000))

    asyncio.run(run())


@app.command()
def resume(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Go on with a film that waits: only what is missing is made."""

    async def run() -> None:
        async with open_session(data) as session:
            handle = await find(session, film)
            await handle.signal(VideoWorkflow.resume)
            _say({"workflow_id": handle.id, "resumed": True}, f"{handle.id} goes on", as_json)

    asyncio.run(run())


@app.command()
def cancel(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Cancel a film, and say what it will cost all the same."""

    async def run() -> None:
        async with open_session(data) as session:
            handle = await find(session, film)
            await handle.cancel()
            await _closed(handle)
            progress = await look(handle)
            words = f"{progress.status}: {progress.message}"
            _say({"workflow_id": handle.id, "status": progress.status, "message": progress.message}, words, as_json)

    asyncio.run(run())


@app.command()
def result(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what came out: the film, its contact sheet, its costs."""

    async def run() -> None:
        async with open_session(data) as session:
            handle = await find(session, film)
            if (await handle.describe()).status == WorkflowExecutionStatus.RUNNING:
                progress = await look(handle)
                fail(f"{handle.id} is not finished: {progress.status}, {progress.done} of {progress.total} clips")
            try:
                outcome = await handle.result()
            except WorkflowFailureError as error:
                fail(f"{handle.id}: {_cause(error)}")
            if as_json:
                show_json(outcome)
            else:
                show_result(session, outcome)

    asyncio.run(run())


@app.command()
def costs(film: FilmId, data: Data = DATA, as_json: Json = False) -> None:
    """Show what a film has cost so far, order by order, and how far bills differ from the price list."""

    async def run() -> None:
        async with open_session(data) as session:
            handle = await find(session, film)
            _, channel, name = handle.id.split("/")
            orders = await BudgetStore(session.database).orders(channel, name)
            if as_json:
                return show_json([vars(order) for order in orders])
            table = Table("clip", "order", "state", "price USD", "billed USD", box=None)
            for order in orders:
                bill = "" if order.billed_usd is None else f"{order.billed_usd:.2f}"
                state = f"{order.state}, {order.verdict}" if order.verdict else order.state
                table.add_row(str(order.number), order.id[:13], state, f"{order.price_usd:.2f}", bill)
            out.print(table)
            billed = sum((order.billed_usd or Decimal(0) for order in orders), Decimal(0))
            priced = sum((order.price_usd for order in orders if order.billed_usd is not None), Decimal(0))
            open_ = sum((o.price_usd for o in orders if o.state in ("sent", "accepted", "unknown")), Decimal(0))
            words = f"billed {billed:.2f} USD ({billed - priced:+.2f} against the price list), open {open_:.2f} USD"
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
            table = Table("film", "status", "clips", "USD", "changed", "message", box=None)
            for row in rows:
                done = f"{row.clips_done}/{row.clip_count}"
                changed = row.updated_at.strftime("%Y-%m-%d %H:%M")
                name, note = f"{row.channel}/{row.video_id}", row.message.partition("\n")[0]
                table.add_row(name, row.status, done, f"{row.total_cost_usd:.2f}", changed, note)
            out.print(table)

    asyncio.run(run())


async def start_film(session: Session, film: VideoRequest) -> Handle:
    """Start a film's workflow; one that runs already is refused."""
    return await session.temporal.start_workflow(
        VideoWorkflow.run,
        film,
        id=video_workflow_id(film.channel, film.video_id),
        task_queue=TaskQueue.STUDIO,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        static_summary=f"{film.title or film.video_id}: {len(film.clips)} clips by {film.provider}",
    )


async def find(session: Session, film: str) -> Handle:
    """The workflow of a film, by CHANNEL/FILM or by FILM alone."""
    channel, _, name = film.rpartition("/")
    if not channel:
        rows = await session.films.find(video_id=name)
        if len(rows) != 1:
            known = ", ".join(f"{row.channel}/{row.video_id}" for row in rows)
            fail(f"Which one? {known}" if rows else f"No film is called {name}", code=WRONG_INPUT)
        channel = rows[0].channel
    handle: Handle = session.temporal.get_workflow_handle_for(VideoWorkflow.run, video_workflow_id(channel, name))
    try:
        await handle.describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            fail(f"No film is called {channel}/{name}", code=WRONG_INPUT)
        raise
    return handle


async def look(handle: Handle) -> VideoProgress:
    """How a film stands, from its workflow."""
    return await handle.query(VideoWorkflow.progress)


def show_result(session: Session, outcome: VideoResult) -> None:
    """A finished film for people."""
    table = Table("component", "USD", "calls", "units", title="Costs", title_justify="left", box=None)
    for cost in outcome.costs:
        table.add_row(cost.component, f"{cost.cost_usd:.2f}", str(cost.api_calls), str(cost.units))
    table.add_row("total", f"{outcome.total_cost_usd:.2f}", "", "", style="bold")
    out.print(table)
    out.print(f"film   {session.place(outcome.film.key)}", soft_wrap=True, highlight=False)
    out.print(f"sheet  {session.place(outcome.sheet.key)}", soft_wrap=True, highlight=False)
    out.print(f"{outcome.summary}; {outcome.seconds:.2f} s, {outcome.frames} frames", highlight=False)


async def _start(file: Path, wait: bool, data: Path, as_json: bool) -> None:
    async with open_session(data) as session:
        film = await _request(file, session)
        try:
            handle = await start_film(session, film)
        except WorkflowAlreadyStartedError:
            fail(f"{film.channel}/{film.video_id} is running already", code=WRONG_INPUT)
        if not wait:
            started = {"workflow_id": handle.id, "run_id": handle.first_execution_run_id, "clips": len(film.clips)}
            return _say(started, f"{handle.id} started, {len(film.clips)} clips", as_json)
        await _watch(session, handle, as_json)


async def _watch(session: Session, handle: Handle, as_json: bool) -> None:
    typical = TYPICAL_SECONDS / session.settings.kie_speed
    if as_json:
        await settled(handle)
    else:
        await follow(lambda: look(handle), out, typical_seconds=typical)
    progress = await look(handle)
    if progress.status is not VideoStatus.VIDEO_READY:
        if as_json:
            show_json(progress)
        fail(f"{progress.status}: {progress.message}")
    outcome = await handle.result()
    show_json(outcome) if as_json else show_result(session, outcome)


async def settled(handle: Handle) -> VideoProgress:
    """Wait, without a word, until a film does nothing more by itself."""
    while True:
        progress = await look(handle)
        if progress.status in SETTLED:
            return progress
        await asyncio.sleep(0.5)


async def _request(file: Path, session: Session) -> VideoRequest:
    try:
        return await to_request(read_film_file(file), file.parent, session.objects)
    except FilmFileInvalid as error:
        fail(f"{file} cannot be made:\n{error}", code=WRONG_INPUT)


async def _closed(handle: Handle) -> None:
    try:
        await handle.result()
    except WorkflowFailureError:
        return


def _cause(error: WorkflowFailureError) -> str:
    cause = error.cause
    return f"{cause.type}: {cause.message}" if isinstance(cause, ApplicationError) else str(cause)


def _say(value: Mapping[str, object], words: str, as_json: bool) -> None:
    show_json(value) if as_json else out.print(words, highlight=False, markup=False)
