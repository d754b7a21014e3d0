"""`starter.py gate …`: who is inside, who waits, how many may come."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from commands.options import DATA, Data, Json
from commands.session import WRONG_INPUT, fail, open_session, out, show_json
from studio.contracts.gate import ChannelWeight, GateState
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.gate import GateWorkflow

app = typer.Typer(no_args_is_help=True, help="The gate in front of Kling.")


Handle = WorkflowHandle[GateWorkflow, None]
Step = Callable[[Handle], Awaitable[GateState]]


@app.command()
def show(data: Data = DATA, as_json: Json = False) -> None:
    """Show who is inside and who waits."""
    _run(data, as_json, _state)


@app.command()
def limit(
    places: Annotated[int, typer.Argument(min=0, max=100, help="Kling tasks in flight; 0 lets nobody in.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Change how many may be inside, now and for everybody."""

    async def change(gate: Handle) -> GateState:
        await gate.execute_update(GateWorkflow.set_limit, places)
        return await _state(gate)

    _run(data, as_json, change)


@app.command()
def weight(channel: str, share: float, data: Data = DATA, as_json: Json = False) -> None:
    """Give a channel a larger or smaller share than 1."""

    async def change(gate: Handle) -> GateState:
        await gate.execute_update(GateWorkflow.set_weight, ChannelWeight(channel=channel, weight=share))
        return await _state(gate)

    _run(data, as_json, change)


@app.command()
def resume(data: Data = DATA, as_json: Json = False) -> None:
    """Open a gate that closed; one order goes first, and the films it turned back go on."""

    async def change(gate: Handle) -> GateState:
        await gate.signal(GateWorkflow.resume)
        return await _state(gate)

    _run(data, as_json, change)


@app.command()
def free(
    ticket: Annotated[str, typer.Argument(help="A ticket as `gate show` names it.")],
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """Take a place back by hand. The gate does this by itself for holders that are gone."""

    async def change(gate: Handle) -> GateState:
        await gate.signal(GateWorkflow.leave, [ticket])
        return await _state(gate)

    _run(data, as_json, change)


async def _state(gate: Handle) -> GateState:
    return await gate.query(GateWorkflow.state)


def _run(data: Path, as_json: bool, step: Step) -> None:
    async def run() -> None:
        async with open_session(data) as session:
            gate: Handle = session.temporal.get_workflow_handle_for(GateWorkflow.run, KLING_GATE_ID)
            try:
                state = await step(gate)
            except WorkflowUpdateFailedError as error:
                fail(str(error.cause), code=WRONG_INPUT)
            except RPCError as error:
                fail(f"The gate does not answer; is a studio worker running? ({error.message})")
            show_json(state) if as_json else out.print(_table(state))

    asyncio.run(run())


def _table(state: GateState) -> Table:
    door = f"closed: {state.closed}" if state.closed else "open"
    crowd = f"{len(state.held)} of {state.limit} inside, {len(state.waiting)} waiting"
    if state.standing_by:
        crowd += f", {len(state.standing_by)} films turned back"
    title = f"{crowd}, {door}"
    table = Table("", "ticket", "channel", "priority", "since", title=title, title_justify="left", box=None)
    now = datetime.now(UTC)
    for held in state.held:
        kind = "abandoned" if held.abandoned else "inside"
        since = f"{(now - held.since).total_seconds():.0f} s"
        table.add_row(kind, held.ticket.name, held.ticket.channel, str(held.ticket.priority), since)
    for ticket in state.waiting:
        table.add_row("waiting", ticket.name, ticket.channel, str(ticket.priority), "")
    return table
