"""What things cost, and what was ordered."""

from studio.contracts.base import Contract, Usd


class Cost(Contract):
    """One line of a film's bill."""

    component: str
    cost_usd: Usd
    api_calls: int
    units: int


class OrderedClip(Contract):
    """A clip the provider had accepted when the film was cancelled; it will be billed."""

    number: int
    task_id: str | None
    cost_usd: Usd
