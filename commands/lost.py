"""`starter.py lost …`: unresolved orders."""

import asyncio
import getpass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError

from commands.options import DATA, Data, Json
from commands.session import WRONG_INPUT, Session, fail, open_session, out, show_json
from studio.contracts.desk import Decision, DecisionKind, LostOrder, OrderFound
from studio.contracts.texts import markdown
from studio.errors import InvalidRequest
from studio.store.desk import DeskStore
from workflows_temporal.addresses import TaskQueue, desk_workflow_id
from workflows_temporal.desk import DeskWorkflow

app = typer.Typer(
    no_args_is_help=True, help="Unresolved orders: perhaps accepted, not finished for long, or paid and not here."
)

WHAT = {
    "unknown": "perhaps accepted",
    "sent": "its worker is gone",
    "accepted": "not finished for long",
    "settled": "paid, no file here",
}
"""State in the ledger → what is the matter, for a person."""

Order = Annotated[str, typer.Argument(help="An order's id, or enough of its beginning.")]
Why = Annotated[str, typer.Option("--why", help="The reason, for the books.")]
Who = Annotated[str, typer.Option("--who", help="Who decides. Default: your user name.")]


@app.command("list")
def list_lost(
    channel: Annotated[str | None, typer.Option(help="Only this channel's.")] = None,
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """List unresolved orders, the oldest first, and the money at stake."""

    async def run() -> None:
        async with open_session(data) as session:
            orders = await DeskStore(session.database).lost(channel=channel)
        if as_json:
            return show_json([order.model_dump(mode="json") for order in orders])
        table = Table("order", "video", "clip", "age", "USD", "what", "evidence", "tried", box=None)
        for order in orders:
            video = f"{order.channel}/{order.video_id}"
            tried = ", ".join(decision.kind for decision in order.decisions)
            price = f"{order.price_usd:.2f}"
            what = WHAT.get(order.state, order.state)
            table.add_row(
                order.submission_id[:13], video, str(order.number), _age(order), price, what, _evidence(order), tried
            )
        out.print(table)
        out.print(f"{len(orders)} lost, {sum(order.price_usd for order in orders):.2f} USD at stake", highlight=False)

    asyncio.run(run())


@app.command()
def show(order: Order, data: Data = DATA, as_json: Json = False) -> None:
    """Show everything that is known of an unresolved order."""

    async def run() -> None:
        async with open_session(data) as session:
            found = await _find(session, order)
        if as_json:
            return show_json(found)
        out.print(f"order     {found.submission_id}, attempt {found.attempt}", highlight=False)
        out.print(f"video      {found.channel}/{found.video_id}, clip {found.number}", highlight=False)
        out.print(f"model     {found.model}, {found.seconds} s, {found.price_usd:.2f} USD", highlight=False)
        what = WHAT.get(found.state, found.state)
        out.print(f"state     {what}, task {found.task_id or 'not known'}", highlight=False, markup=False)
        out.print(f"sent      {_age(found)} ago: {found.reason}", highlight=False, markup=False)
        out.print(f"evidence  {_evidence(found)}", highlight=False)
        for decision in found.decisions:
            line = f"{decision.decided_at:%Y-%m-%d %H:%M} {decision.kind} by {decision.who}: {decision.why}"
            out.print(f"{line} → {decision.outcome}", highlight=False, markup=False)

    asyncio.run(run())


@app.command()
def adopt(
    order: Order,
    task: Annotated[str, typer.Argument(help="The provider's task id, from kie.ai/logs.")],
    why: Why = "found at the provider",
    who: Who = "",
    data: Data = DATA,
    as_json: Json = False,
) -> None:
    """This task is the order: the video goes on with it, and nothing is bought again."""
    _decide(DecisionKind.ADOPT, order, why, who, data, as_json, task=task)


@app.command()
def check(order: Order, why: Why = "looked again", who: Who = "", data: Data = DATA, as_json: Json = False) -> None:
    """Ask the provider again, as far as it can be asked, and note its balance."""
    _decide(DecisionKind.CHECK, order, why, who, data, as_json)


@app.command("write-off")
def write_off(order: Order, why: Why, who: Who = "", data: Data = DATA, as_json: Json = False) -> None:
    """Count it as paid and close it. `video resume` orders the clip anew."""
    _decide(DecisionKind.WRITE_OFF, order, why, who, data, as_json)


@app.command()
def resubmit(order: Order, why: Why, who: Who = "", data: Data = DATA, as_json: Json = False) -> None:
    """Count it as paid, and order the clip anew now: it may be paid twice."""
    _decide(DecisionKind.RESUBMIT, order, why, who, data, as_json)


def _decide(
    kind: DecisionKind, order: str, why: str, who: str, data: Path, as_json: bool, task: str | None = None
) -> None:
    async def run() -> OrderFound:
        async with open_session(data) as session:
            lost = await _find(session, order)
            decision = Decision(
                submission_id=lost.submission_id, kind=kind, who=who or getpass.getuser(), why=why, task_id=task
            )
            return await decide(session, decision)

    found = asyncio.run(run())
    if as_json:
        show_json(found)
    else:
        video = f"{found.channel}/{found.video_id}, clip {found.number}"
        out.print(f"{video}: {found.words}; the order is {found.state}", highlight=False, markup=False)


async def decide(session: Session, decision: Decision) -> OrderFound:
    """Have a decision carried out where the provider's key is."""
    try:
        return await session.temporal.execute_workflow(
            DeskWorkflow.run,
            decision,
            id=desk_workflow_id(decision.submission_id),
            task_queue=TaskQueue.STUDIO,
            static_summary=f"{decision.kind} by {markdown(decision.who)}",
        )
    except WorkflowAlreadyStartedError:
        fail("another decision about this order is under way", code=WRONG_INPUT)
    except WorkflowFailureError as error:
        cause = error.cause
        fail(cause.message if isinstance(cause, ApplicationError) else str(cause), code=WRONG_INPUT)


async def _find(session: Session, order: str) -> LostOrder:
    try:
        return await DeskStore(session.database).find(order)
    except InvalidRequest as error:
        fail(str(error), code=WRONG_INPUT)


def _age(order: LostOrder) -> str:
    """By PostgreSQL's clock, which also wrote down when the order was sent."""
    if order.age is None:
        return "?"
    minutes = int(order.age.total_seconds()) // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"


def _evidence(order: LostOrder) -> str:
    if order.credits_before is None or order.credits_after is None:
        return "no balances"
    change = order.credits_before - order.credits_after
    return f"balance {order.credits_before:f} → {order.credits_after:f} credits (-{change:f})"
