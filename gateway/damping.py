"""Limits in this process: how often a line is logged, how many requests pass. Two gateways have two of each."""

import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import timedelta

import structlog

_log = structlog.get_logger()

BETWEEN_LINES = timedelta(seconds=10)
"""Between two lines about the same event, when strangers decide how often it happens."""


class Damped:
    """A log event that is written at most once in a while; the next line counts what was left out."""

    def __init__(
        self, event: str, *, every: timedelta = BETWEEN_LINES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._event = event
        self._every = every.total_seconds()
        self._clock = clock
        self._written = float("-inf")
        self._left_out = 0

    def warning(self, **details: object) -> None:
        """Log it, or count it."""
        now = self._clock()
        if now - self._written < self._every:
            self._left_out += 1
            return
        more = {"left_out": self._left_out} if self._left_out else {}
        self._written, self._left_out = now, 0
        _log.warning(self._event, **details, **more)


class TokenBucket:
    """Lets `rate` requests per second pass, and `burst` at once after a quiet time."""

    def __init__(self, rate: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._tokens = burst
        self._filled = clock()

    def take(self) -> bool:
        """Whether one more may pass now."""
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class RateLimit:
    """One bucket per key and one over all; only the keys used last are remembered."""

    def __init__(
        self,
        *,
        each: tuple[float, float],
        all_together: tuple[float, float],
        most_keys: int = 10_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._each = each
        self._all = TokenBucket(*all_together, clock=clock)
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._most_keys = most_keys
        self._clock = clock

    def take(self, key: str) -> bool:
        """Whether one more request of this key may pass now. A key over its limit costs the others nothing."""
        bucket = self._buckets.pop(key, None) or TokenBucket(*self._each, clock=self._clock)
        self._buckets[key] = bucket
        if len(self._buckets) > self._most_keys:
            self._buckets.popitem(last=False)
        return bucket.take() and self._all.take()
