"""`starter.py gate …`: who is inside, who waits, how many may come."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.table import Table
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError, RPCStatusCode

from commands.options import DATA, Data, Json
from commands.session import WRONG_INPUT, fail, open_session, out, show_json
from studio.contracts.gate import ChannelWeight, GateStatus, TicketPage, TicketsAfter
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.gate import GateWorkflow

app = typer.Typer(no_args_is_help=True, help="The gate in front of Kling.")


T = TypeVar("T")
Handle = WorkflowHandle[GateWorkflow, None]
Step = Callable[[Handle], Awaitable[GateStatus]]
_RESTARTED = (
    "A video that waits starts it again within a minute, and so does a worker that starts: worker.py --queues studio"
)


@app.command()
def show(data: Data = DATA, as_json: Json = False) -> None:
    """Show who is inside and how many wait, or what has become of the gate."""
    _run(data, as_json, _status)


@app.command()
def tickets(
    after: Annotated[int, typer.Option(min=0, help="The last arrival number of the page before.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Tickets on a page.")] = 50,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List the tickets that wait, in order of arrival."""

    async def run() -> None:
        async with open_session(data) as session:
            gate: Handle = session.temporal.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)
            page = await _asked(gate, _page(gate, TicketsAfter(after=after, limit=limit)))
            show_json(page) if as_json else _show_page(page)

    asyncio.run(run())


@app.command()
def limit(
    places: Annotated[int, typer.Argument(min=0, max=100, help="Kling tasks in flight; 0 sends no orders.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Change how many may be inside, now and for everybody."""

    async def change(gate: Handle) -> GateStatus:
        await gate.execute_update(GateWorkflow.set_limit, places)
        return await _status(gate)

    _run(data, as_json, change)


@app.command()
def weight(channel: str, share: float, data: Data = DATA, as_json: Json = False) -> None:
    """Give a channel a larger or smaller share than 1."""

    async def change(gate: Handle) -> GateStatus:
        await gate.execute_update(GateWorkflow.set_weight, ChannelWeight(channel=channel, weight=share))
        return await _status(gate)

    _run(data, as_json, change)


@app.command()
def resume(data: Data = DATA, as_json: Json = False) -> None:
    """Open a gate that closed; one order goes first, and the videos it turned back go on."""

    async def change(gate: Handle) -> GateStatus:
        await gate.signal(GateWorkflow.resume)
        return await _status(gate)

    _run(data, as_json, change)


@app.command()
def free(
    ticket: Annotated[str, typer.Argument(help="A ticket as `gate show` or `gate tickets` names it.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Take a place back by hand. The gate does this by itself for holders that are gone."""

    async def change(gate: Handle) -> GateStatus:
        await gate.signal(GateWorkflow.leave, [ticket])
        return await _status(gate)

    _run(data, as_json, change)


async def _status(gate: Handle) -> GateStatus:
    return await gate.query(GateWorkflow.state)


async def _page(gate: Handle, wanted: TicketsAfter) -> TicketPage:
    return await gate.query(GateWorkflow.tickets, wanted)


async def _asked(gate: Handle, answer: Awaitable[T]) -> T:
    """The gate's answer; ends the command with what has become of the gate when there is none."""
    try:
        if problem := await _not_running(gate):
            fail(problem)
        return await answer
    except WorkflowUpdateFailedError as error:
        fail(str(error.cause), code=WRONG_INPUT)
    except RPCError as error:
        fail(f"The gate does not answer; is a studio worker running? ({error.message})")
    finally:
        if asyncio.iscoroutine(answer):
            answer.close()  # does nothing to one that was awaited


async def _not_running(gate: Handle) -> str | None:
    """What has become of a gate that does not run, and what starts it; None: it runs."""
    try:
        execution = await gate.describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return f"There is no gate yet. {_RESTARTED}"
        raise
    if execution.status in (None, WorkflowExecutionStatus.RUNNING):
        return None
    when = f" at {execution.close_time:%Y-%m-%d %H:%M:%S} UTC" if execution.close_time else ""
    return f"The gate does not run: {gate.id} was {execution.status.name.lower()}{when}. {_RESTARTED}"


def _run(data: Path, as_json: bool, step: Step) -> None:
    async def run() -> None:
        async with open_session(data) as session:
            gate: Handle = session.temporal.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)
            status = await _asked(gate, step(gate))
            show_json(status) if as_json else _show(status)

    asyncio.run(run())


def _show(status: GateStatus) -> None:
    door = f"closed: {status.closed}" if status.closed else "open"
    crowd = f"{len(status.held)} of {status.limit} inside, {status.waiting} waiting"
    if status.standing_by:
        crowd += f", {status.standing_by} videos turned back"
    table = Table(
        "", "ticket", "channel", "priority", "since", title=f"{crowd}, {door}", title_justify="left", box=None
    )
    now = datetime.now(UTC)
    for held in status.held:
        kind = "abandoned" if held.abandoned else "inside"
        since = f"{(now - held.since).total_seconds():.0f} s"
        table.add_row(kind, held.ticket.name, held.ticket.channel, str(held.ticket.priority), since)
    out.print(table)
    if status.waiting:
        channels = [f"{channel} {count}" for channel, count in status.waiting_by_channel.items()]
        more = [f"and {status.other_channels} more channels"] if status.other_channels else []
        out.print(f"waiting: {', '.join([*channels, *more])}; `gate tickets` lists them", highlight=False)


def _show_page(page: TicketPage) -> None:
    table = Table("arrival", "ticket", "channel", "priority", box=None)
    for waiting in page.tickets:
        ticket = waiting.ticket
        table.add_row(str(waiting.arrival), ticket.name, ticket.channel, str(ticket.priority))
    out.print(table)
    if page.more:
        out.print(f"There are more: gate tickets --after {page.tickets[-1].arrival}", highlight=False)
