"""What effects mean for a gate: the provider's answers, and holders that are gone."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from studio.contracts.clip import ClipId
from studio.contracts.gate import (
    Closing,
    GateState,
    HeldSlot,
    OrderInFlight,
    OrdersInFlight,
    Slot,
    Sweep,
    Swept,
    Ticket,
    TopUpAwaited,
)
from studio.contracts.take import LateOrder
from studio.errors import ProviderError, TaskLost
from studio.providers.kie import KieClient
from studio.store.orders import Submission
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()

ASKED_AT_ONCE = 5
"""Holders of one sweep that are asked after at the same time."""
LONGEST_QUESTION = timedelta(seconds=20)
LONGEST_SWEEP = timedelta(seconds=90)
"""Below the activity's time-out: those that were not asked by then keep their places."""


class Slots:
    """Tells a gate what the provider said to one of its holders, and videos what became of their orders.

    A word that does not get through is not worth failing a paid step: the gate's own sweep finds out later.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def accepted(self, slot: Slot) -> None:
        """The provider took the order; others may follow."""
        if slot.probe:
            await self._tell(slot.gate, "accepted", slot.ticket)

    async def give_back(self, slot: Slot) -> None:
        """The provider is done with the task."""
        await self._tell(slot.gate, "leave", [slot.ticket])

    async def trip(self, gate: str, no: ProviderError, *, credits: Decimal | None = None) -> None:
        """Everybody would be refused: close the gate. `credits`: the account's balance just before, if it was seen."""
        error_type = type(no).__name__
        _log.error("gate.tripped", gate=gate, error_type=error_type, reason=str(no))
        await self._tell(gate, "trip", Closing(reason=str(no), error_type=error_type, credits=credits))

    async def topped_up(self, awaited: TopUpAwaited) -> bool:
        """There is money again. False: the gate could not be told."""
        return await self._tell(awaited.gate, "topped_up", awaited.closing)

    async def order_decided(self, clips: Sequence[ClipId]) -> bool:
        """It is known now what became of an order: tell every video that waits for it. False: none of them runs."""
        told = [
            await self._tell(f"video/{clip.channel}/{clip.video_id}", "order_decided", clip.number) for clip in clips
        ]
        return any(told)

    async def _tell(self, gate: str, signal: str, word: object) -> bool:
        try:
            await self._client.get_workflow_handle(gate).signal(signal, word)
        except RPCError as error:
            _log.warning("signal.not_delivered", workflow_id=gate, signal=signal, error=error.message)
            return False
        return True


class Gates:
    """Lets clips join the line at a gate, and makes the gate when there is none."""

    def __init__(self, client: Client, *, new: GateState, task_queue: str) -> None:
        self._client = client
        self._new = new
        self._task_queue = task_queue

    async def enter(self, gate: str, ticket: Ticket) -> None:
        """Join the line. Joining again changes nothing; a gate that is there stays as it is, its limit too."""
        await self._tell(gate, "enter", [ticket])

    async def still_waiting(self, gate: str, tickets: list[Ticket]) -> None:
        """Join the line with those of the tickets that are not in it any more."""
        await self._tell(gate, "still_waiting", tickets)

    async def _tell(self, gate: str, signal: str, tickets: list[Ticket]) -> None:
        await self._client.start_workflow(
            "GateWorkflow",
            self._new,
            id=gate,
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal=signal,
            start_signal_args=[tickets],
        )


class GateActivities:
    """Asks after a gate's holders. On the queue `kling`, because it may have to ask the provider."""

    def __init__(
        self, client: Client, ledger: SubmissionLedger, kie: KieClient, *, longest_clip: timedelta, task_queue: str
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._kie = kie
        self._longest_clip = longest_clip
        self._studio = task_queue

    @activity.defn
    async def find_gone_holders(self, sweep: Sweep) -> Swept:
        """Holders that no longer need their place.

        One that looked away, or whose workflow has ended, keeps it for as long as the provider works on its order,
        and no longer than the longest clip takes: the limit is the provider's, not ours. Each holder is asked after on
        its own; a question that fails in whatever way means that this one keeps its place.
        """
        turns = asyncio.Semaphore(ASKED_AT_ONCE)
        asking = {held.ticket.name: asyncio.create_task(self._ask(held, turns)) for held in sweep.held}
        if asking:
            await asyncio.wait(asking.values(), timeout=LONGEST_SWEEP.total_seconds())
        for late in (task for task in asking.values() if not task.done()):
            late.cancel()
        return Swept(gone=[name for name, task in asking.items() if task.done() and task.result()])

    @activity.defn
    async def find_orders_in_flight(self, most: int) -> OrdersInFlight:
        """Orders that the provider may be working on, the newest `most`: each takes one of its places."""
        orders = await self._ledger.in_flight(newer_than=self._longest_clip, most=most)
        return OrdersInFlight(
            orders=[
                OrderInFlight(
                    submission_id=order.id,
                    workflow_id=f"video/{order.channel}/{order.video_id}",
                    channel=order.channel,
                    video_id=order.video_id,
                    number=order.number,
                )
                for order in orders
            ]
        )

    async def _ask(self, held: HeldSlot, turns: asyncio.Semaphore) -> bool:
        try:
            async with turns, asyncio.timeout(LONGEST_QUESTION.total_seconds()):
                return await self._is_gone(held)
        except Exception as error:
            _log.warning("gate.holder_unknown", ticket=held.ticket.name, error_type=type(error).__name__)
            return False

    async def _is_gone(self, held: HeldSlot) -> bool:
        if not held.abandoned and await self._is_running(held):
            return False
        ticket = held.ticket
        clip = ClipId(channel=ticket.channel, video_id=ticket.video_id, number=ticket.number)
        # A clip may have several orders: one that was lost, written off, sent again.
        return not any([await self._provider_works_on(order) for order in await self._ledger.open_orders(clip)])

    async def _is_running(self, held: HeldSlot) -> bool:
        """In whatever run: a reset and continue-as-new go on with the video, another start of it does not."""
        try:
            video = await self._client.get_workflow_handle(held.ticket.workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        first_run_id = video.raw_description.workflow_execution_info.first_run_id
        return video.status == WorkflowExecutionStatus.RUNNING and first_run_id == held.ticket.first_run_id

    async def _provider_works_on(self, order: Submission) -> bool:
        if order.age is None or order.age > self._longest_clip:
            return False  # whatever the provider says; recovery goes on asking for the clip
        if order.task_id is None:  # perhaps accepted, perhaps not: for as long as a clip may take, count it
            return True
        try:
            task = await self._kie.record_info(order.task_id)
        except TaskLost:
            return True  # absence is no proof
        if task.state == "running":
            return True
        await self._bring_home(order.id)
        return False

    async def _bring_home(self, submission_id: str) -> None:
        """Its video looks away, but the clip is paid for: the books are closed, and it becomes a take."""
        await start_recovery(self._client, LateOrder(submission_id=submission_id), task_queue=self._studio)


async def start_recovery(client: Client, order: LateOrder, *, task_queue: str) -> None:
    """Have an order looked after without its video; one that is looked after already stays so."""
    with suppress(WorkflowAlreadyStartedError):
        await client.start_workflow(
            "LateClipWorkflow",
            order,
            id=f"late/{order.submission_id}",
            task_queue=task_queue,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )
