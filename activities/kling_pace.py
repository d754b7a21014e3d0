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
    absence: timedelta = timedelta(minutes=10)
    """How long KIE.ai has to say, without a break, that it does not know an accepted task, before that is noted as
    unknown. It shows new tasks up to 90 s late, and forgets old ones for minutes."""
    longest_clip: timedelta = timedelta(minutes=15)
    """How long Kling works on a clip at most; for orders nobody can look up."""
    rate_limited_tries: int = 4
    maintenance_tries: int = 15
    unreachable_tries: int = 10
    claim_holds: timedelta = timedelta(seconds=10)
    """In our own time: an order that has not left so long after its claim stays here. The claim and the longest request
    (16 s) together are little more than the silence after which the activity is given to another worker."""
    speed: float = 1.0

    @property
    def lasting(self) -> timedelta:
        """`absence` in our time."""
        return self.absence / self.speed

    @property
    def gap(self) -> timedelta:
        """Longest pause between two looks, in our time, after which an absence still counts as unbroken."""
        return max(3 * self.look_max / self.speed, timedelta(minutes=2) / self.speed, timedelta(seconds=10))

    @property
    def unwatched(self) -> timedelta:
        """No video waits for an order that was not looked at for so long, in our time."""
        return max(timedelta(minutes=5) / self.speed, 6 * self.look_max / self.speed, timedelta(seconds=10))

    @property
    def undelivered(self) -> timedelta:
        """How long a finished clip's file may take to get here before recovery fetches it, in our time."""
        return max(timedelta(minutes=30) / self.speed, timedelta(seconds=30))

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
