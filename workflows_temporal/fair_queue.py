"""Who waits at a gate, and who is next. Plain logic, and bounded: beyond a size the queue refuses tickets.

Order: urgent tickets first; then the channel that has had the least, in proportion to its weight; within a channel
first come, first served. A channel that comes back from a pause starts level with the others: it cannot save up.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from studio.contracts.gate import Ticket

MOST_WAITING = 1_000
"""Tickets in a queue. More are refused; their holders ask again."""
MOST_WAITING_BYTES = 384 * 1024
"""What these tickets may have as JSON: 490 of them with the longest names. It is the larger part of what a gate hands
to its next run, which must stay below 1 MiB."""
MOST_TICKET_BYTES = 1_024
"""A ticket with the longest names has 800."""
MOST_CHANNELS = 200
"""Channels whose shares and weights are remembered. Beyond it the shares of those go that do not wait and have had
the least: should they come back, they start level with the others."""

_Lane = tuple[int, str]
"""A priority and a channel."""


class FairQueue:
    """Waiting tickets in lanes by priority and channel."""

    def __init__(
        self, waiting: Iterable[Ticket], *, served: Mapping[str, float], weights: Mapping[str, float], arrivals: int
    ) -> None:
        self.weights = dict(weights)
        restored = list(waiting)
        self.arrivals = max(arrivals - len(restored), 0)
        self._served = dict(served)
        self._lanes: dict[_Lane, dict[str, int]] = {}
        self._tickets: dict[str, tuple[Ticket, int]] = {}
        self._per_channel: Counter[str] = Counter()
        self._bytes = 0
        self._first_to_yield: _Lane | None = None
        for ticket in restored:
            self._offer(ticket)

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, name: object) -> bool:
        return name in self._tickets

    @property
    def served(self) -> dict[str, float]:
        """Per channel: grants divided by the weight."""
        return dict(self._served)

    @property
    def tickets(self) -> list[tuple[int, Ticket]]:
        """Everything that waits, with its arrival number, in order of arrival."""
        waiting = ((arrival, ticket) for lane in self._lanes.values() for ticket, arrival in map(self._get, lane))
        return sorted(waiting, key=lambda entry: entry[0])

    @property
    def channels(self) -> dict[str, int]:
        """How many tickets of each channel wait, the most first."""
        return dict(self._per_channel.most_common())

    def offer(self, ticket: Ticket) -> list[Ticket]:
        """Take a ticket in, once. Returns the tickets there is no room for: it, or others that give way to it.

        In a full queue a more urgent ticket takes the place of a less urgent one, and among equals a channel with
        fewer tickets that of a channel with more: none is kept out by another's flood.
        """
        if ticket.name in self._tickets:
            return []
        self._level(ticket.channel)
        return self._offer(ticket)

    def remove(self, name: str) -> None:
        """Take a ticket out; one that does not wait changes nothing."""
        if name in self._tickets:
            self._pop(name)

    def next(self) -> Ticket:
        """Take out the ticket whose turn it is; there must be one."""
        lane = min(self._lanes, key=self._rank)
        ticket = self._pop(next(iter(self._lanes[lane])))
        weight = self.weights.get(ticket.channel, 1.0)
        self._served[ticket.channel] = self._served.get(ticket.channel, 0.0) + 1.0 / weight
        return ticket

    def forget_shares(self) -> None:
        """What every channel has had counts no more."""
        self._served.clear()

    def _offer(self, ticket: Ticket) -> list[Ticket]:
        size = _bytes(ticket)
        if size > MOST_TICKET_BYTES:
            return [ticket]
        refused: list[Ticket] = []
        while len(self._tickets) >= MOST_WAITING or self._bytes + size > MOST_WAITING_BYTES:
            lane = self._first_to_yield = self._first_to_yield or max(self._lanes, key=self._standing)
            mine = (ticket.priority, self._per_channel[ticket.channel] + 1)
            if self._standing(lane)[:2] <= mine:
                return [*refused, ticket]
            refused.append(self._pop(next(reversed(self._lanes[lane]))))
        self.arrivals += 1
        self._tickets[ticket.name] = (ticket, self.arrivals)
        self._lanes.setdefault((ticket.priority, ticket.channel), {})[ticket.name] = self.arrivals
        self._per_channel[ticket.channel] += 1
        self._bytes += size
        self._first_to_yield = None
        return refused

    def _get(self, name: str) -> tuple[Ticket, int]:
        return self._tickets[name]

    def _pop(self, name: str) -> Ticket:
        ticket, _ = self._tickets.pop(name)
        lane = (ticket.priority, ticket.channel)
        del self._lanes[lane][name]
        if not self._lanes[lane]:
            del self._lanes[lane]
        self._per_channel[ticket.channel] -= 1
        if not self._per_channel[ticket.channel]:
            del self._per_channel[ticket.channel]
        self._bytes -= _bytes(ticket)
        self._first_to_yield = None
        return ticket

    def _rank(self, lane: _Lane) -> tuple[int, float, int]:
        priority, channel = lane
        return priority, self._served.get(channel, 0.0), next(iter(self._lanes[lane].values()))

    def _standing(self, lane: _Lane) -> tuple[int, int, int]:
        """The larger, the sooner its last ticket gives way."""
        priority, channel = lane
        return priority, self._per_channel[channel], next(reversed(self._lanes[lane].values()))

    def _level(self, channel: str) -> None:
        if channel in self._per_channel:
            return
        present = [self._served.get(other, 0.0) for other in self._per_channel] or list(self._served.values())
        floor = min(present, default=0.0) if self._per_channel else max(present, default=0.0)
        self._served[channel] = max(self._served.get(channel, 0.0), floor)
        if len(self._served) > MOST_CHANNELS:
            absent = [other for other in self._served if other not in self._per_channel and other != channel]
            if absent:
                del self._served[min(absent, key=lambda other: self._served[other])]


def _bytes(ticket: Ticket) -> int:
    return len(ticket.model_dump_json().encode())
