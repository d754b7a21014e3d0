"""What effects mean for a gate: the provider's answers, and holders that are gone."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import structlog
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from activities._settling import settle
from studio.contracts.clip import ClipId
from studio.contracts.gate import Closing, GateState, HeldSlot, Slot, Sweep, Swept, Ticket, TopUpAwaited
from studio.contracts.take import LateOrder
from studio.errors import ProviderError, StudioError, TaskLost
from studio.providers.kie import KieClient
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()


class Slots:
    """Tells a gate what the provider said to one of its holders.

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

    async def _tell(self, gate: str, signal: str, word: object) -> bool:
        try:
            await self._client.get_workflow_handle(gate).signal(signal, word)
        except RPCError as error:
            _log.warning("gate.unreachable", gate=gate, signal=signal, error=error.message)
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
        await self._client.start_workflow(
            "GateWorkflow",
            self._new,
            id=gate,
            task_queue=self._task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            start_signal="enter",
            start_signal_args=[[ticket]],
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

        One that looked away, or whose workflow has ended, keeps it for as long as the provider works on his
        order: the limit is the provider's, not ours.
        """
        return Swept(gone=[held.ticket.name for held in sweep.held if await self._is_gone(held)])

    async def _is_gone(self, held: HeldSlot) -> bool:
        if not held.abandoned and await self._is_running(held):
            return False
        return not await self._provider_works_on(held)

    async def _is_running(self, held: HeldSlot) -> bool:
        """In whatever run: a reset and continue-as-new go on with the film, another start of it does not."""
        try:
            film = await self._client.get_workflow_handle(held.ticket.workflow_id).describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return False
            raise
        first_run_id = film.raw_description.workflow_execution_info.first_run_id
        return film.status == WorkflowExecutionStatus.RUNNING and first_run_id == held.ticket.first_run_id

    async def _provider_works_on(self, held: HeldSlot) -> bool:
        ticket = held.ticket
        clip = ClipId(channel=ticket.channel, video_id=ticket.video_id, number=ticket.number)
        order = await self._ledger.open_order(clip)
        if order is None:
            return False
        if order.task_id is None:  # perhaps accepted, perhaps not: for as long as a clip may take, count it
            return order.sent_at is None or datetime.now(UTC) - order.sent_at < self._longest_clip
        try:
            task = await self._kie.record_info(order.task_id)
        except TaskLost:
            return False
        except StudioError:
            return True
        if task.state == "running":
            return True
        await settle(self._ledger, order.id, order.task_id, task, price_usd=order.price_usd)
        if task.state == "success":
            await self._bring_home(order.id)
        return False

    async def _bring_home(self, submission_id: str) -> None:
        """Its film looks away, but the clip is paid for: it becomes a take."""
        with suppress(WorkflowAlreadyStartedError):
            await self._client.start_workflow(
                "LateClipWorkflow",
                LateOrder(submission_id=submission_id),
                id=f"late/{submission_id}",
                task_queue=self._studio,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
            )
