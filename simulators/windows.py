"""Limits on how often: a sliding window and a bucket that refills. Both run on virtual time."""

from collections import deque


class SlidingWindow:
    """At most `limit` calls in any `seconds`; a limit of 0 lets everything pass."""

    def __init__(self) -> None:
        self._passed: deque[float] = deque()

    def admit(self, now: float, limit: int, seconds: float) -> bool:
        while self._passed and self._passed[0] <= now - seconds:
            self._passed.popleft()
        if limit and len(self._passed) >= limit:
            return False
        self._passed.append(now)
        return True

    def wait(self, now: float, seconds: float) -> float:
        """Seconds until the oldest call leaves the window."""
        return max(0.0, self._passed[0] + seconds - now) if self._passed else 0.0


class Bucket:
    """`rate` calls a second on average, up to `burst` at once."""

    def __init__(self) -> None:
        self._level: float | None = None
        self._seen = 0.0

    def admit(self, now: float, rate: float, burst: float) -> bool:
        level = burst if self._level is None else min(burst, self._level + (now - self._seen) * rate)
        self._seen = now
        self._level = level - 1 if level >= 1 else level
        return level >= 1

    def wait(self, rate: float) -> float:
        """Seconds until the next call passes."""
        return max(0.0, 1 - (self._level or 0.0)) / rate


class Peak:
    """The most calls ever seen in any one second of real time."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self.total = 0
        self.highest = 0

    def count(self, wall: float) -> None:
        self.total += 1
        self._recent.append(wall)
        while self._recent[0] <= wall - 1.0:
            self._recent.popleft()
        self.highest = max(self.highest, len(self._recent))
