"""Who is inside a gate, who waits, and who comes next. Plain logic: it is told the time and touches nothing.

Order: urgent tickets first; then the channel that has had the least, in proportion to its weight; within a channel
first come, first served. A channel that comes back from a pause starts level with the others: it cannot save up.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from studio.contracts.gate import Closing, GateState, HeldSlot, Ticket
from workflows_temporal.door import Door


class Line:
    """The state of a gate and what may happen to it."""

    def __init__(self, state: GateState) -> None:
        self._state = state
        self._waiting = {ticket.name: ticket for ticket in state.waiting}
        self._held = {held.ticket.name: held for held in state.held}
        self._served = dict(state.served)
        self._weights = dict(state.weights)
        self._recent = list(state.recent)
        self._counts = {"granted": state.granted, "swept": state.swept, "most_held": state.most_held}
        self.limit = state.limit
        self.door = Door(state)
        self.proven = state.proven

    @property
    def held(self) -> list[HeldSlot]:
        """Everybody inside."""
        return list(self._held.values())

    @property
    def waiting(self) -> list[Ticket]:
        """Everybody in line, in order of arrival."""
        return list(self._waiting.values())

    def state(self) -> GateState:
        """Everything, as a value."""
        return self._state.model_copy(
            update={
                "limit": self.limit,
                "waiting": self.waiting,
                "held": self.held,
                "served": dict(self._served),
                "weights": dict(self._weights),
                "proven": self.proven,
                "recent": list(self._recent),
                **self._counts,
                **self.door.fields(),
            }
        )

    def enter(self, tickets: Iterable[Ticket]) -> list[HeldSlot]:
        """Join the line. Returns those that are inside already: a grant got lost, or somebody looks again."""
        inside = []
        for ticket in tickets:
            held = self._held.get(ticket.name)
            if held is not None:
                self._held[ticket.name] = held.model_copy(update={"abandoned": False})
                inside.append(held)
            elif ticket.name not in self._waiting:
                self._level(ticket.channel)
                self._waiting[ticket.name] = ticket
        return inside

    def leave(self, names: Iterable[str]) -> None:
        """Go, from inside or from the line. Unknown names are nobody."""
        for name in names:
            self._waiting.pop(name, None)
            self._held.pop(name, None)
        if not self._held:
            self.proven = False
            if not self._waiting:
                self._served.clear()

    def abandon(self, names: Iterable[str]) -> None:
        """Look away: out of the line at once, but inside until the provider is done."""
        for name in names:
            self._waiting.pop(name, None)
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
        """Give a channel another share."""
        self._weights[channel] = weight

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
        while self._waiting and self._open() and self.next_pace(now) is None:
            ticket = min(self._waiting.values(), key=self._rank)
            del self._waiting[ticket.name]
            weight = self._weights.get(ticket.channel, 1.0)
            self._served[ticket.channel] = self._served.get(ticket.channel, 0.0) + 1.0 / weight
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
        # Until the provider has accepted an order, one after the other: a bad key costs one refusal, not five.
        return self.proven or all(held.abandoned for held in self._held.values())

    def _rank(self, ticket: Ticket) -> tuple[int, float]:
        return ticket.priority, self._served.get(ticket.channel, 0.0)  # min() keeps the first of equals

    def _level(self, channel: str) -> None:
        others = {ticket.channel for ticket in self._waiting.values()}
        if channel in others:
            return
        present = [self._served.get(other, 0.0) for other in others] or list(self._served.values())
        floor = min(present, default=0.0) if others else max(present, default=0.0)
        self._served[channel] = max(self._served.get(channel, 0.0), floor)
