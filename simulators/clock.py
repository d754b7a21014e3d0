"""Virtual time: how late it is for the provider, and what it does when."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable

LONGEST_LEAP = 3_600.0
"""Virtual seconds that pass faster than real ones while no process runs."""


class Clock:
    """Virtual epoch seconds. They pass `speed` times as fast as real ones and can jump ahead."""

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError("speed must be positive")
        self.speed = speed
        self._started = time.time()
        self._origin = self._started
        self._mark = time.monotonic()
        self._ahead = 0.0

    def now(self) -> float:
        return self._origin + (time.monotonic() - self._mark) * self.speed + self._ahead

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the clock was first started."""
        return self.now() - self._started

    @property
    def started(self) -> float:
        return self._started

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not go back")
        self._ahead += seconds

    def resume(self, started: float, now: float, away: float) -> None:
        """Go on from an earlier process, whose clock may have run at another speed.

        Args:
            started: when the very first one began.
            now: how late it was when the last one was seen alive.
            away: real seconds since then. They pass at this clock's speed for one virtual hour at most, so that what
                was running is done, and as real ones after that: a night must not let days pass, and files expire.
        """
        self._started = started
        self._origin = now + max(away, min(away * self.speed, LONGEST_LEAP))
        self._mark = time.monotonic()
        self._ahead = 0.0

    def real(self, virtual_seconds: float) -> float:
        """How long the caller has to sleep for so many virtual seconds."""
        return max(0.0, virtual_seconds) / self.speed


class Timers:
    """What is due when, in virtual time: one heap and one handle on the loop, however many tasks there are."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None

    def at(self, due: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (due, next(self._order), action))
        if self._heap[0][0] == due:
            self._arm()

    def catch_up(self) -> None:
        """Do everything that is due. Whoever reads state calls this first, so that no answer is ever behind."""
        now = self._clock.now()
        while self._heap and self._heap[0][0] <= now:
            _, _, action = heapq.heappop(self._heap)
            action()
        self._arm()

    def clear(self) -> None:
        self._heap.clear()
        self._arm()

    def _arm(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        if self._heap:
            wait = self._clock.real(self._heap[0][0] - self._clock.now())
            self._handle = asyncio.get_running_loop().call_later(wait, self.catch_up)
