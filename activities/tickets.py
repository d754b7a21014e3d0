"""Tickets that wait at a gate, which may have lost them."""

from datetime import timedelta

from temporalio import activity
from temporalio.service import RPCError

from activities.gatekeeping import Gates
from studio.contracts.gate import TicketsInLine
from studio.errors import StillInLine


class TicketActivities:
    """Tells a gate who waits. On the queue `studio`: it needs no key of a provider."""

    def __init__(self, gates: Gates) -> None:
        self._gates = gates

    @activity.defn
    async def keep_in_line(self, waiting: TicketsInLine) -> None:
        """Hand the tickets in now and again after each pause, until the video cancels this.

        A gate that was terminated is started; one that was reset, or had no room, gets to know of them. An attempt
        costs the video's history nothing.

        Raises:
            StillInLine: always; Temporal repeats the attempt after the pause.
        """
        pause = timedelta(seconds=waiting.again_seconds)
        try:
            await self._gates.still_waiting(waiting.gate, waiting.tickets)
        except RPCError as error:
            raise StillInLine(f"{waiting.gate} could not be told: {error.message}", retry_after=pause / 4) from None
        raise StillInLine(retry_after=pause)
