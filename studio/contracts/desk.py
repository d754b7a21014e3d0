"""Orders nobody knows the fate of, and what is decided about them."""

from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from studio.contracts.base import Contract, Identifier, Usd
from studio.contracts.clip import ClipId, ClipNumber

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


CALLBACK = "callback"
POLICY = "on_unknown"
"""Who decided, where it was no person."""


class DecisionKind(StrEnum):
    """What can be decided about a lost order."""

    ADOPT = "adopt"
    """This task of the provider's is the order: the film goes on with it."""
    CHECK = "check"
    """Nothing; look again at what can be known."""
    WRITE_OFF = "write_off"
    """Nobody will ever know: count it as paid. The clip is ordered anew when somebody resumes the film."""
    RESUBMIT = "resubmit"
    """Count it as paid, and order the clip anew at once."""


class Decision(Contract):
    """What somebody decided about an order, and why. It is written down with the order for good."""

    submission_id: str
    kind: DecisionKind
    who: Words
    why: Words
    task_id: str | None = Field(default=None, description="The provider's task, to adopt.")


class DecisionRow(Contract):
    """A decision as the books show it."""

    kind: DecisionKind
    who: str
    why: str
    outcome: str
    decided_at: datetime


class LostOrder(Contract):
    """An order that was sent and of which nobody knows whether the provider accepted it."""

    submission_id: str
    channel: Identifier
    video_id: Identifier
    number: ClipNumber
    attempt: int
    provider: str
    model: str
    seconds: int
    price_usd: Usd = Field(description="The money at stake.")
    reason: str
    sent_at: datetime | None
    credits_before: Decimal | None = Field(description="The account's balance just before the order was sent.")
    credits_after: Decimal | None = Field(description="The balance at the last look after the answer was lost.")
    decisions: list[DecisionRow] = Field(default=[])


class OrderFound(Contract):
    """How an order stands after a decision."""

    submission_id: str
    channel: Identifier
    video_id: Identifier
    number: ClipNumber
    state: str
    task_id: str | None
    superseded: bool = Field(default=False, description="The same take was ordered again meanwhile.")
    words: str


class LostCount(Contract):
    """How many orders are lost, and for how long the oldest has been."""

    open: int
    oldest: timedelta = Field(description="0 when there is none.")


class LostClip(Contract):
    """A clip whose order is lost, and how many orders its film may send again without asking."""

    clip: ClipId
    most: int
