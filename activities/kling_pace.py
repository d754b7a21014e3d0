"""How often KIE.ai is asked, and how often it may say "later"."""

import random
from dataclasses import dataclass
from datetime import timedelta

from studio.errors import Maintenance, ProviderError, RateLimited


@dataclass(frozen=True)
class KlingPace:
    """How often KIE.ai is asked, in its own seconds; `speed` says how many of them pass in one of ours."""

    look_min: timedelta
    look_max: timedelta
    grace: timedelta = timedelta(seconds=90)
    """How long after the order KIE.ai may still not know its own task."""
    longest_clip: timedelta = timedelta(minutes=15)
    """How long Kling works on a clip at most; for orders nobody can look up."""
    rate_limited_tries: int = 4
    maintenance_tries: int = 15
    unreachable_tries: int = 10
    speed: float = 1.0

    def next_look(self, waited: timedelta) -> timedelta:
        """A tenth of the time waited so far, within the bounds: early looks are cheap, late ones are rare."""
        return min(max(waited * self.speed / 10, self.look_min), self.look_max) / self.speed

    def tries(self, error: ProviderError) -> int:
        """How often an order is sent before this refusal is taken for an answer."""
        if isinstance(error, RateLimited):
            return self.rate_limited_tries
        return self.maintenance_tries if isinstance(error, Maintenance) else self.unreachable_tries

    def pause(self, error: ProviderError, tries: int) -> timedelta:
        """How long to wait before the next try: the provider's own pause, or 1, 2, 4 … 60 s; doubled, with jitter."""
        least = error.retry_after or timedelta(seconds=min(2 ** (tries - 1), 60))
        growth = 2 ** (tries - 1) if isinstance(error, RateLimited) else 1
        return least * growth * random.uniform(1.0, 1.25) / self.speed
