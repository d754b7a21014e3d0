"""The holder's side of a gate: a lock, as far as a clip is concerned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from studio.contracts.clip import ClipId
from studio.contracts.gate import GateCarry, GateNotice, Granted, Slot, Ticket
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.policies import TICKETS_IN_LINE
from workflows_temporal.waiting_tickets import WaitingTickets

_LEAVE = GateWorkflow.leave.__name__
_ABANDON = GateWorkflow.abandon.__name__
_STAND_BY = GateWorkflow.stand_by.__name__


class RunEnds(Exception):
    """The history of this run is long: what has not begun is left to the next run."""


class GateShut(ApplicationError):
    """This video goes to the gate no more: another of its clips was refused for a reason that meets them all."""


@dataclass
class Place:
    """A clip's place at the gate: in the line once `ticket` was handed in, inside once `slot()` returns."""

    ticket: Ticket
    granted: asyncio.Future[Slot]
    line: WaitingTickets
    ordered: bool = False
    """The provider may be working under it."""

    async def slot(self, *, ask_again: timedelta) -> Slot:
        """Wait until the gate lets us in. It hears of the ticket after every such pause, in case it has lost it.

        Raises:
            GateShut: this video goes to the gate no more.
            RunEnds: this run of the video begins nothing more.
        """
        with self.line.having(self.ticket, ask_again):
            return await self.granted


class Gate:
    """One gate, for one video. Made once, in the workflow's `__init__`."""

    def __init__(self, gate_id: str, *, priority: int, before: GateCarry) -> None:
        self.gate_id = gate_id
        self._priority = priority
        self._run = workflow.uuid4().hex[:8]
        """Another one in every run, but the same after a reset: what was said to the gate before stays said."""
        self._granted: dict[str, asyncio.Future[Slot]] = {}
        self._sayings: list[asyncio.Task[bool]] = []
        self._room = asyncio.Semaphore(TICKETS_IN_LINE)
        self._line = WaitingTickets(gate_id)
        self._shut: GateShut | RunEnds | None = None
        self._turned_back = before.turned_back
        self.closed = before.closed
        self.line_full = False
        self.opened = before.opened
        """It turned this video back, and has opened since: what it refused may be tried again."""
        workflow.set_signal_handler("slots_granted", self._on_granted)
        workflow.set_signal_handler("gate_notice", self._on_notice)

    @asynccontextmanager
    async def place(self, clip: ClipId) -> AsyncIterator[Place]:
        """A place at the gate for as long as the block lasts; whoever takes the ticket joins the line with it.

        Only so many clips of a video have a ticket, until they are let in; the others wait here for one.

        On success the clip's last look has given it back already. After a failure it goes back here, but an order
        the provider may still be working on keeps it: then the gate watches the provider instead of us.

        Raises:
            GateShut: `shut` was called.
            RunEnds: `withdraw` was called.
        """
        await self._room.acquire()
        place = Place(self._ticket(clip), asyncio.Future(), self._line)
        place.granted.add_done_callback(lambda _: self._room.release())
        if self._shut is not None:
            place.granted.cancel()
            raise self._shut
        self._granted[place.ticket.name] = place.granted
        try:
            yield place
        except (Exception, asyncio.CancelledError):  # not GeneratorExit: that is only our own process forgetting us
            self._post(_ABANDON if place.ordered else _LEAVE, place.ticket.name)
            raise
        finally:
            self._granted.pop(place.ticket.name, None)
            if not place.granted.cancel() and not place.granted.cancelled():
                place.granted.exception()  # perhaps nobody waits for it any more

    def carry(self) -> GateCarry:
        """What the next run has to know. The gate tells it what this one would have been told."""
        return GateCarry(closed=self.closed, turned_back=self._turned_back, opened=self.opened)

    @property
    def note(self) -> str | None:
        """Why those who wait are not let in, as far as the gate has told."""
        if self.closed is not None:
            return f"the gate is closed: {self.closed}"
        return "the line at the gate is full: tickets are handed in again every minute" if self.line_full else None

    def ensure_open(self) -> None:
        """Raises `GateShut` or `RunEnds` when it is no use to begin anything."""
        if self._shut is not None:
            raise self._shut

    def shut(self, reason: str, error_type: str, *, for_all: bool) -> None:
        """Turn back everybody of this video who waits, and who comes later.

        `for_all`: the gate itself has closed, for the other videos too. It is asked to tell when it opens, and does so
        at once if it has opened meanwhile.
        """
        if not isinstance(self._shut, GateShut):  # those who were turned back give the first reason, not a new one
            self._turn_back(GateShut(reason, type=error_type))
        if for_all and not self._turned_back:
            self._turned_back, self.opened = True, False
            self._say(_STAND_BY, workflow.info().workflow_id)

    def withdraw(self) -> None:
        """Turn back everybody of this run who waits, and who comes later: the next run hands in their tickets."""
        if self._shut is None:
            self._turn_back(RunEnds())

    def _turn_back(self, why: GateShut | RunEnds) -> None:
        self._shut = why
        for waiting in self._granted.values():
            if not waiting.done():
                waiting.set_exception(why)

    async def reopen(self) -> None:
        """Go to the gate again. If it turned us back and has not opened since, open it for everybody."""
        turned_back, self._turned_back, self.opened, self._shut = self._turned_back, False, False, None
        if turned_back:
            await self._signal(GateWorkflow.resume.__name__)

    async def flush(self) -> None:
        """Everything said to the gate has arrived. A video does not end before."""
        while talking := [saying for saying in [*self._sayings, *self._line.saying] if not saying.done()]:
            await workflow.wait(talking)

    def _post(self, verb: str, name: str) -> None:
        """Say something of a place to the gate."""
        self._say(verb, [name])

    def _say(self, verb: str, word: object) -> None:
        """Say something to the gate, without waiting for it to arrive.

        Nothing is said in bunches: what falls into one bunch would depend on when workflow tasks begin, and a replay
        may see that otherwise than the worker that was killed (docs/decisions/0016).
        """
        self._sayings = [saying for saying in self._sayings if not saying.done()]
        self._sayings.append(asyncio.create_task(self._signal(verb, word)))

    async def _signal(self, name: str, *words: object) -> bool:
        """False when there is no gate."""
        try:
            await workflow.get_external_workflow_handle(self.gate_id).signal(name, args=words)
        except FailureError:
            return False
        return True

    def _ticket(self, clip: ClipId) -> Ticket:
        info = workflow.info()
        return Ticket(
            name=f"{info.workflow_id}#{clip.name}@{self._run}",
            workflow_id=info.workflow_id,
            first_run_id=info.first_execution_run_id,
            channel=clip.channel,
            video_id=clip.video_id,
            number=clip.number,
            priority=self._priority,
        )

    def _on_granted(self, granted: Granted) -> None:
        for slot in granted.slots:
            waiting = self._granted.get(slot.ticket)
            if waiting is None:
                self._post(_LEAVE, slot.ticket)  # nobody waits for it any more
            elif not waiting.done():
                self.line_full = False
                waiting.set_result(slot)

    def _on_notice(self, notice: GateNotice) -> None:
        self.closed = notice.closed
        self.line_full = notice.line_full
        if notice.closed is None and self._turned_back:
            self._turned_back, self.opened = False, True
