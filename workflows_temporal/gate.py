"""The gate in front of a provider: at most so many inside, over all videos, channels and workers.

Holders ask by signal and are let in by signal (a blocking update would be capped at ten). The gate counts them,
lets channels in fairly, takes places back from holders that are gone, and closes for everybody when the provider
refuses the key or the account is empty; after a top-up it opens by itself. It is fail-safe: without a worker nobody
is let in. All that it knows has a bound: what a full line refuses is handed in again by its video, and a gate that was
terminated or reset hears of those who wait in the same way. Requests to cancel it are refused: videos wait for it.
"""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError

from activities.gatekeeping import GateActivities
from studio.contracts.base import Reference
from studio.contracts.gate import (
    ChannelWeight,
    Closing,
    GateNotice,
    GateState,
    GateStatus,
    Granted,
    HeldSlot,
    Slot,
    Sweep,
    Ticket,
    TicketPage,
    TicketsAfter,
)
from studio.contracts.texts import markdown
from workflows_temporal.errands import Errands
from workflows_temporal.fair_queue import MOST_CHANNELS
from workflows_temporal.inbound import fitted
from workflows_temporal.line import MOST_SLOTS, Entry, Line
from workflows_temporal.policies import COUNT, HOLDERS_ASKED_EVERY, SWEEP
from workflows_temporal.topup import TopUpWatch

MOST_REFUSED = 500
"""Videos that are remembered for having been told that the line is full, so that they are told only once."""


@workflow.defn
class GateWorkflow:
    """One gate. Its id is its name, `gate/kling`."""

    @workflow.init
    @fitted
    def __init__(self, state: GateState) -> None:
        self._line = Line(state)
        self._sweep_seconds = state.sweep_seconds
        self._watch = TopUpWatch(self._line.door, every_seconds=state.credit_seconds)
        self._stirred = asyncio.Event()
        self._pausing = False
        self._errands = Errands()
        self._refused: dict[str, None] = {}
        self._asked: dict[str, datetime] = {}

    @workflow.run
    async def run(self, state: GateState) -> None:
        beside = [asyncio.create_task(self._count_orders()), asyncio.create_task(self._sweep_now_and_then())]
        self._watch.follow()
        try:
            await self._serve()
            await self._end(beside)
        except asyncio.CancelledError:
            if workflow.cancellation_reason() is None:
                raise  # only this worker forgets the run
            # Every waiting video depends on the gate; its next run knows nothing of the request.
            workflow.logger.warning("gate.cancellation_refused")
            await self._end(beside)
        workflow.continue_as_new(self._line.state())

    @workflow.signal
    def enter(self, tickets: list[Ticket]) -> None:
        """Join the line."""
        self._answer(self._line.enter(tickets))

    @workflow.signal
    def still_waiting(self, tickets: list[Ticket]) -> None:
        """A video's tickets that wait: those that are not in the line, or not any more, join it."""
        self._answer(self._line.still_waiting(tickets))

    @workflow.signal
    def leave(self, names: list[str]) -> None:
        """Give places back, or leave the line."""
        self._line.leave(names)
        self._stirred.set()

    @workflow.signal
    def abandon(self, names: list[str]) -> None:
        """Look away: the places are free when the provider is done."""
        self._line.abandon(names)
        self._stirred.set()

    @workflow.signal
    def accepted(self, name: str) -> None:
        """The provider took the probe's order: the others may follow."""
        self._line.accept(name)
        self._stirred.set()

    @workflow.signal
    def trip(self, why: Closing | str) -> None:
        """Close for everybody until somebody says `resume`, or until a top-up where that can help."""
        if self._line.trip(Closing(reason=why) if isinstance(why, str) else why):
            self._watch.follow()
            self._announce()
        self._stirred.set()

    @workflow.signal
    def topped_up(self, closing: int) -> None:
        """The account has more credits than at this closing: open as after `resume`."""
        if self._line.door.awaits_top_up and closing == self._line.door.closings:
            self._watch.found()
            self.resume()

    @workflow.signal
    def stand_by(self, workflow_id: Reference) -> None:
        """A video was turned back: tell it how the door is, and when it opens."""
        self._line.door.stand_by(workflow_id)
        self._notify(workflow_id)
        self._stirred.set()

    @workflow.signal
    def resume(self) -> None:
        """Open again: one first, and the others when the provider has accepted him."""
        was_closed = self._line.door.closed is not None
        self._line.resume()
        if was_closed:
            self._watch.follow()
            self._announce()
            self._line.door.dismiss()
        self._stirred.set()

    @workflow.update
    def set_limit(self, limit: int) -> int:
        """Change how many may be inside; returns the old number. Those inside stay."""
        old, self._line.limit = self._line.limit, limit
        self._stirred.set()
        return old

    @set_limit.validator
    def _limit_is_possible(self, limit: int) -> None:
        if not 0 <= limit <= MOST_SLOTS:
            raise ApplicationError(f"a gate has 0 to {MOST_SLOTS} places, not {limit}", type="InvalidRequest")

    @workflow.update
    def set_weight(self, share: ChannelWeight) -> None:
        """Give a channel a larger or smaller share."""
        self._line.set_weight(share.channel, share.weight)
        self._stirred.set()

    @set_weight.validator
    def _weight_is_possible(self, share: ChannelWeight) -> None:
        if not self._line.has_room_for_weight(share.channel):
            words = f"{MOST_CHANNELS} channels have weights of their own already - Give one of them the weight 1 first"
            raise ApplicationError(words, type="InvalidRequest")

    @workflow.query
    def state(self) -> GateStatus:
        """How the gate stands, in short."""
        return self._line.status()

    @workflow.query
    def tickets(self, wanted: TicketsAfter) -> TicketPage:
        """Waiting tickets, a page of them in order of arrival."""
        return self._line.page(wanted)

    async def _count_orders(self) -> None:
        """A gate before this one may have been terminated: what it let in may still be with the provider."""
        if not self._line.counted:
            found = await workflow.execute_activity_method(GateActivities.find_orders_in_flight, MOST_SLOTS, **COUNT)
            self._line.count(found.orders, workflow.now())
            self._stirred.set()

    async def _serve(self) -> None:
        while not workflow.info().is_continue_as_new_suggested():
            self._stirred.clear()
            self._let_in()
            self._show()
            await self._stirred.wait()

    async def _end(self, beside: "list[asyncio.Task[None]]") -> None:
        """The last of this run."""
        for task in beside:
            task.cancel()
        self._watch.stop()
        await workflow.wait_condition(lambda: workflow.all_handlers_finished() and self._errands.done)

    def _answer(self, entry: Entry) -> None:
        self._tell(entry.inside)
        for ticket in entry.refused:
            if ticket.workflow_id not in self._refused and len(self._refused) < MOST_REFUSED:
                self._refused[ticket.workflow_id] = None
                self._notify(ticket.workflow_id, line_full=True)
        for ticket in entry.taken:
            if ticket.workflow_id in self._refused:
                del self._refused[ticket.workflow_id]
                self._notify(ticket.workflow_id)
        self._stirred.set()

    def _notify(self, workflow_id: str, *, line_full: bool = False) -> None:
        self._errands.notify(workflow_id, GateNotice(closed=self._line.door.closed, line_full=line_full))

    def _let_in(self) -> None:
        now = workflow.now()
        self._line.sweep(self._line.expired(now))
        self._tell(self._line.admit(now))
        pause = self._line.next_pace(now)
        if pause is not None and self._line.crowded and not self._pausing:
            self._pausing = True
            self._errands.send(self._stir_in(pause - now))

    def _tell(self, inside: list[HeldSlot]) -> None:
        for workflow_id, slots in self._by_holder(inside).items():
            self._errands.send(self._grant(workflow_id, slots))

    def _by_holder(self, inside: list[HeldSlot]) -> dict[str, list[Slot]]:
        holders: dict[str, list[Slot]] = {}
        for held in inside:
            probe = not self._line.proven and not held.accepted
            slot = Slot(gate=workflow.info().workflow_id, ticket=held.ticket.name, probe=probe)
            holders.setdefault(held.ticket.workflow_id, []).append(slot)
        return holders

    async def _grant(self, workflow_id: str, slots: list[Slot]) -> None:
        """Whichever run of the video is there: after a reset it is another one, and one that waits no more says so."""
        try:
            await workflow.get_external_workflow_handle(workflow_id).signal("slots_granted", Granted(slots=slots))
        except FailureError:  # he is gone: his places go to the next
            self._line.leave([slot.ticket for slot in slots])
            self._stirred.set()

    def _announce(self) -> None:
        waiting = (ticket.workflow_id for ticket in self._line.waiting)
        for workflow_id in dict.fromkeys([*waiting, *self._refused, *self._line.door.standing_by]):
            self._notify(workflow_id, line_full=workflow_id in self._refused)

    async def _sweep_now_and_then(self) -> None:
        while True:
            await workflow.wait_condition(lambda: bool(self._line.held))
            await workflow.sleep(self._sweep_seconds, summary="are the holders still there?")
            self._ask_holders()
            sweep = Sweep(held=self._line.held)
            try:
                swept = await workflow.execute_activity_method(GateActivities.find_gone_holders, sweep, **SWEEP)
            except ActivityError:
                continue  # nobody could be asked: leases hold
            self._line.sweep(swept.gone)
            self._stirred.set()

    def _ask_holders(self) -> None:
        """Tell holders again that they are inside, now and then: one that does not know its place gives it back.

        After a reset the gate holds places it was given back before.
        """
        now, held = workflow.now(), {held.ticket.name: held for held in self._line.held if not held.abandoned}
        self._asked = {name: when for name, when in self._asked.items() if name in held}
        due = [one for name, one in held.items() if self._asked.get(name, one.since) + HOLDERS_ASKED_EVERY <= now]
        self._asked |= {one.ticket.name: now for one in due}
        for workflow_id, slots in self._by_holder(due).items():
            self._errands.send(self._remind(workflow_id, slots))

    async def _remind(self, workflow_id: str, slots: list[Slot]) -> None:
        with suppress(FailureError):  # one that is gone is found by the sweep, which asks the provider first
            await workflow.get_external_workflow_handle(workflow_id).signal("slots_granted", Granted(slots=slots))

    async def _stir_in(self, pause: timedelta) -> None:
        await workflow.sleep(pause, summary="pace of orders")
        self._pausing = False
        self._stirred.set()

    def _show(self) -> None:
        status = self._line.status()
        door = f"closed: {markdown(status.closed)}" if status.closed else "open"
        workflow.set_current_details(
            f"**{len(status.held)}** of {status.limit} inside, {status.waiting} waiting, {door}"
        )
