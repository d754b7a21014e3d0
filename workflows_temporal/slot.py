"""The holder's side of a gate: a lock, as far as a clip is concerned."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError

from activities.gatekeeping import GateOpeningActivities
from studio.contracts.clip import ClipId
from studio.contracts.gate import GateName, GateNotice, Granted, Slot, Ticket
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.policies import RECORD

_ENTER = GateWorkflow.enter.__name__
_LEAVE = GateWorkflow.leave.__name__
_ABANDON = GateWorkflow.abandon.__name__


class GateShut(ApplicationError):
    """This film goes to the gate no more: another of its clips was refused for a reason that meets them all."""


@dataclass
class Seat:
    """A place inside while a clip has it. `ordered`: the provider may be working under it."""

    slot: Slot
    ordered: bool = False


class Gate:
    """One gate, for one film. Made once, in the workflow's `__init__`."""

    def __init__(self, gate_id: str, *, priority: int) -> None:
        self._gate_id = gate_id
        self._priority = priority
        self._granted: dict[str, asyncio.Future[Slot]] = {}
        self._outbox: dict[str, list[Ticket | str]] = {}
        self._sender: asyncio.Task[None] | None = None
        self._shut: GateShut | None = None
        self.closed: str | None = None
        workflow.set_signal_handler("slots_granted", self._on_granted)
        workflow.set_signal_handler("gate_notice", self._on_notice)

    @asynccontextmanager
    async def slot(self, clip: ClipId) -> AsyncIterator[Seat]:
        """Wait for a place and hold it.

        On success the clip's last look has given it back already. After a failure it goes back here, but an order
        the provider may still be working on keeps it: then the gate watches the provider instead of us.

        Raises:
            GateShut: `shut` was called.
        """
        self.ensure_open()
        ticket = self._ticket(clip)
        granted = self._granted[ticket.name] = asyncio.Future()
        self._post(_ENTER, ticket)
        seat: Seat | None = None
        try:
            seat = Seat(await granted)
            yield seat
        except (Exception, asyncio.CancelledError):  # not GeneratorExit: that is only our own process forgetting us
            self._post(_ABANDON if seat and seat.ordered else _LEAVE, ticket.name)
            raise
        finally:
            self._granted.pop(ticket.name, None)

    def ensure_open(self) -> None:
        """Raises `GateShut` when it is no use to begin anything."""
        if self._shut is not None:
            raise self._shut

    def shut(self, reason: str, error_type: str) -> None:
        """Turn back everybody of this film who waits, and who comes later."""
        self._shut = GateShut(reason, type=error_type)
        for waiting in self._granted.values():
            if not waiting.done():
                waiting.set_exception(self._shut)

    async def reopen(self) -> None:
        """Go to the gate again. If it had closed for our sake, open it for everybody."""
        if self._shut is not None:
            self._shut = None
            await self._signal(GateWorkflow.resume.__name__)

    async def flush(self) -> None:
        """Everything said to the gate has arrived. A film does not end before."""
        while self._sender is not None and not self._sender.done():
            await workflow.wait([self._sender])

    def _post(self, verb: str, word: Ticket | str) -> None:
        """Say something to the gate soon: what comes up while a signal travels goes with the next one."""
        self._outbox.setdefault(verb, []).append(word)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        await asyncio.sleep(0)  # the others of this very moment come along
        while self._outbox:
            verb = next(iter(self._outbox))
            words = self._outbox.pop(verb)
            if not await self._signal(verb, words) and verb == _ENTER:
                gate = GateName(gate=self._gate_id)
                await workflow.execute_activity_method(GateOpeningActivities.open_gate, gate, **RECORD)
                self._outbox = {_ENTER: words + self._outbox.pop(_ENTER, []), **self._outbox}

    async def _signal(self, name: str, *words: object) -> bool:
        """False when there is no gate."""
        try:
            await workflow.get_external_workflow_handle(self._gate_id).signal(name, args=words)
        except FailureError:
            return False
        return True

    def _ticket(self, clip: ClipId) -> Ticket:
        info = workflow.info()
        return Ticket(
            name=f"{info.workflow_id}#{clip.name}@{info.run_id[:8]}",
            workflow_id=info.workflow_id,
            run_id=info.run_id,
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
                waiting.set_result(slot)

    def _on_notice(self, notice: GateNotice) -> None:
        self.closed = notice.closed
