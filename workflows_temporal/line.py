"""Who is inside a gate, who waits, and who comes next. Plain logic: it is told the time and touches nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from studio.contracts.gate import (
    Closing,
    GateState,
    GateStatus,
    HeldSlot,
    OrderInFlight,
    Ticket,
    TicketPage,
    TicketsAfter,
    WaitingTicket,
)
from workflows_temporal.door import Door
from workflows_temporal.fair_queue import MOST_CHANNELS, FairQueue

MOST_SLOTS = 400
"""No provider takes as many; a larger number is a typing mistake. All that a gate knows must stay below 1 MiB."""
MOST_CHANNELS_SHOWN = 20
"""Channels whose waiting tickets are counted in the status, those with the most."""


@dataclass
class Entry:
    """What became of tickets that were handed in."""

    inside: list[HeldSlot] = field(default_factory=list)
    """They are inside already: a grant got lost, or the holder looks again."""
    taken: list[Ticket] = field(default_factory=list)
    """They wait."""
    refused: list[Ticket] = field(default_factory=list)
    """There is no room for them, or no more room: their holders ask again."""


class Line:
    """The state of a gate and what may happen to it."""

    def __init__(self, state: GateState) -> None:
        self._state = state
        self._queue = FairQueue(state.waiting, served=state.served, weights=state.weights, arrivals=state.arrivals)
        self._held = {held.ticket.name: held for held in state.held[:MOST_SLOTS]}
        self._recent = list(state.recent)
        self._counts = {
            "granted": state.granted,
            "refused": state.refused,
            "swept": state.swept,
            "most_held": state.most_held,
        }
        self.limit = min(state.limit, MOST_SLOTS)
        self.door = Door(state)
        self.proven = state.proven
        self.counted = state.counted

    @property
    def held(self) -> list[HeldSlot]:
        """Everybody inside."""
        return list(self._held.values())

    @property
    def waiting(self) -> list[Ticket]:
        """Everybody in line, in order of arrival."""
        return [ticket for _, ticket in self._queue.tickets]

    @property
    def crowded(self) -> bool:
        """Somebody waits."""
        return len(self._queue) > 0

    def state(self) -> GateState:
        """Everything, as a value."""
        return self._state.model_copy(
            update={
                "limit": self.limit,
                "waiting": self.waiting,
                "held": self.held,
                "arrivals": self._queue.arrivals,
                "served": self._queue.served,
                "weights": dict(self._queue.weights),
                "proven": self.proven,
                "counted": self.counted,
                "recent": list(self._recent),
                **self._counts,
                **self.door.fields(),
            }
        )

    def status(self) -> GateStatus:
        """The same in short, whatever waits."""
        state, channels = self._state, self._queue.channels
        shown = dict(list(channels.items())[:MOST_CHANNELS_SHOWN])
        return GateStatus(
            limit=self.limit,
            held=self.held,
            waiting=len(self._queue),
            waiting_by_channel=shown,
            other_channels=len(channels) - len(shown),
            closed=self.door.closed,
            closing=self.door.closing,
            closings=self.door.closings,
            standing_by=len(self.door.standing_by),
            proven=self.proven,
            weights=dict(self._queue.weights),
            pace=state.pace,
            pace_seconds=state.pace_seconds,
            **self._counts,
        )

    def page(self, wanted: TicketsAfter) -> TicketPage:
        """Waiting tickets in order of arrival, a page of them."""
        later = [entry for entry in self._queue.tickets if entry[0] > wanted.after]
        tickets = [WaitingTicket(arrival=arrival, ticket=ticket) for arrival, ticket in later[: wanted.limit]]
        return TicketPage(tickets=tickets, more=len(later) > len(tickets))

    def enter(self, tickets: Iterable[Ticket]) -> Entry:
        """Join the line, or look again at what is inside already."""
        return self._enter(tickets, again=False)

    def still_waiting(self, tickets: Iterable[Ticket]) -> Entry:
        """Join the line where a ticket is not in it. Unlike `enter` this may come late: what was abandoned stays so."""
        return self._enter(tickets, again=True)

    def _enter(self, tickets: Iterable[Ticket], *, again: bool) -> Entry:
        entry = Entry()
        for ticket in tickets:
            held = self._held.get(ticket.name)
            if held is not None and not (again and held.abandoned):
                self._held[ticket.name] = held.model_copy(update={"abandoned": False})
                entry.inside.append(held)
            elif held is None:
                refused = self._queue.offer(ticket)
                entry.refused += refused
                self._counts["refused"] += len(refused)
                if ticket.name in self._queue:
                    entry.taken.append(ticket)
        return entry

    def count(self, orders: Iterable[OrderInFlight], now: datetime) -> None:
        """Orders of an earlier gate take places until the provider is done, but those of tickets that are inside."""
        until = now + timedelta(seconds=self._state.lease_seconds)
        here = {(held.ticket.channel, held.ticket.video_id, held.ticket.number) for held in self._held.values()}
        for order in list(orders)[: MOST_SLOTS - len(self._held)]:
            if (order.channel, order.video_id, order.number) not in here:
                ticket = Ticket(
                    name=f"order/{order.submission_id}",
                    workflow_id=order.workflow_id,
                    first_run_id="-",
                    channel=order.channel,
                    video_id=order.video_id,
                    number=order.number,
                )
                self._held[ticket.name] = HeldSlot(ticket=ticket, since=now, until=until, abandoned=True)
        self.counted = True

    def leave(self, names: Iterable[str]) -> None:
        """Go, from inside or from the line. Unknown names are nobody."""
        for name in names:
            self._queue.remove(name)
            self._held.pop(name, None)
        if not self._held:
            self.proven = False
            if not self._queue:
                self._queue.forget_shares()

    def abandon(self, names: Iterable[str]) -> None:
        """Look away: out of the line at once, but inside until the provider is done."""
        for name in names:
            self._queue.remove(name)
            if name in self._held:
                self._held[name] = self._held[name].model_copy(update={"abandoned": True})

    def accept(self, name: str) -> None:
        """The provider took an order: the gate works."""
        if name in self._held:
            self._held[name] = self._held[name].model_copy(update={"accepted": True})
            self.proven = True

    def trip(self, why: Closing) -> bool:
        """Let nobody in; True when that is news."""
        return self.door.close(why)

    def resume(self) -> None:
        """Let people in again, one first."""
        self.door.open()
        self.proven = False

    def set_weight(self, channel: str, weight: float) -> None:
        """Give a channel another share; 1 is everybody's."""
        if weight == 1:
            self._queue.weights.pop(channel, None)
        else:
            self._queue.weights[channel] = weight

    def has_room_for_weight(self, channel: str) -> bool:
        """Not every channel there ever was can have a weight of its own."""
        return channel in self._queue.weights or len(self._queue.weights) < MOST_CHANNELS

    def sweep(self, gone: Iterable[str]) -> None:
        """Take places back from holders that are gone."""
        known = [name for name in gone if name in self._held]
        self._counts["swept"] += len(known)
        self.leave(known)

    def expired(self, now: datetime) -> list[str]:
        """Whose lease is over."""
        return [name for name, held in self._held.items() if held.until <= now]

    def admit(self, now: datetime) -> list[HeldSlot]:
        """Let in as many as may come now."""
        admitted: list[HeldSlot] = []
        while self._queue and self._open() and self.next_pace(now) is None:
            ticket = self._queue.next()
            until = now + timedelta(seconds=self._state.lease_seconds)
            held = self._held[ticket.name] = HeldSlot(ticket=ticket, since=now, until=until)
            if self._state.pace:
                self._recent.append(now)
            self._counts["granted"] += 1
            self._counts["most_held"] = max(self._counts["most_held"], len(self._held))
            admitted.append(held)
        return admitted

    def next_pace(self, now: datetime) -> datetime | None:
        """When the next one may come for the sake of the pace; None: now."""
        window = timedelta(seconds=self._state.pace_seconds)
        self._recent = [moment for moment in self._recent if moment + window > now]
        if not self._state.pace or len(self._recent) < self._state.pace:
            return None
        return self._recent[-self._state.pace] + window

    def _open(self) -> bool:
        if self.door.closed is not None or len(self._held) >= self.limit:
            return False
        # Until the provider has accepted an order, one after the other: a bad key costs one refusal, not five. So also
        # until the orders of an earlier gate are counted.
        return (self.proven and self.counted) or all(held.abandoned for held in self._held.values())
