"""What things cost, and what was ordered."""

from decimal import Decimal

from studio.contracts.base import Contract, Usd


class Account(Contract):
    """An account at a provider."""

    credits: Decimal | None
    """Its balance; None: the provider did not say it in a number."""


class Cost(Contract):
    """One line of a video's bill."""

    component: str
    cost_usd: Usd
    api_calls: int
    units: int


class OrderedClip(Contract):
    """A clip the provider had accepted when the video was cancelled; it will be billed."""

    number: int
    task_id: str | None
    cost_usd: Usd


class Bill(Contract):
    """What a video has cost, and what is still to come."""

    costs: list[Cost]
    ordered: list[OrderedClip]

    @property
    def total_usd(self) -> Decimal:
        """Everything billed so far."""
        return sum((cost.cost_usd for cost in self.costs), start=Decimal(0))

    def still_ordered(self) -> str:
        """What a cancelled video will be billed for, in words."""
        if not self.ordered:
            return "Nothing was with the provider."
        expected = sum((clip.cost_usd for clip in self.ordered), start=Decimal(0))
        which = ", ".join(str(clip.number) for clip in self.ordered)
        return f"{len(self.ordered)} clips were already ordered: {expected:.2f} USD (clip {which})."
