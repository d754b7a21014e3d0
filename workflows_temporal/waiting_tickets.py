"""A video's waiting tickets, repeated to the gate while they wait: it may have lost them, or had no room."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from temporalio import workflow

from activities.tickets import TicketActivities
from studio.contracts.gate import Ticket, TicketsInLine
from workflows_temporal.policies import KEEP_IN_LINE


class WaitingTickets:
    """All of them are handed in again by one activity, whose attempts cost no history, until another one waits."""

    def __init__(self, gate_id: str) -> None:
        self._gate_id = gate_id
        self._waiting: dict[str, tuple[Ticket, float]] = {}
        self._changes = 0
        self._pause = timedelta(0)
        self._telling: asyncio.Task[None] | None = None

    @property
    def saying(self) -> list["asyncio.Task[None]"]:
        """What is still on its way to the gate; it ends by itself when nothing waits."""
        return [self._telling] if self._telling is not None else []

    @contextmanager
    def having(self, ticket: Ticket, pause: timedelta) -> Iterator[None]:
        """The ticket was handed in just now, and waits for as long as the block lasts."""
        self._waiting[ticket.name] = (ticket, workflow.time())
        self._changes, self._pause = self._changes + 1, pause
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell())
        try:
            yield
        finally:
            del self._waiting[ticket.name]
            self._changes += 1

    async def _tell(self) -> None:
        while self._waiting:
            oldest = min(handed_in for _, handed_in in self._waiting.values())
            left = oldest + self._pause.total_seconds() - workflow.time()
            if left <= 0:
                await self._tell_until_changed()
                continue
            try:
                await workflow.wait_condition(lambda: not self._waiting, timeout=left, timeout_summary="is it in line?")
            except TimeoutError:
                continue

    async def _tell_until_changed(self) -> None:
        now, changes = workflow.time(), self._changes
        tickets = [ticket for ticket, _ in self._waiting.values()]
        self._waiting = {ticket.name: (ticket, now) for ticket in tickets}
        again = TicketsInLine(gate=self._gate_id, tickets=tickets, again_seconds=self._pause.total_seconds())
        telling = workflow.start_activity_method(TicketActivities.keep_in_line, again, **KEEP_IN_LINE)
        await workflow.wait_condition(lambda: telling.done() or self._changes != changes)
        telling.cancel()
        await workflow.wait([telling])
        if not telling.cancelled():
            telling.exception()  # it could not be done: the next try is due after a pause
