"""Unresolved orders: sent or paid for, without a clip, and what is decided about them."""

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
    """This task of the provider's is the order: the video goes on with it."""
    CHECK = "check"
    """Nothing; look again at what can be known."""
    WRITE_OFF = "write_off"
    """Nobody will ever know: count it as paid. The clip is ordered anew when somebody resumes the video."""
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
    """An unresolved order: perhaps accepted, accepted and not finished for long, or delivered and not here."""

    submission_id: str
    state: str = Field(default="unknown", description="In the ledger: unknown, sent, accepted, settled.")
    task_id: str | None = Field(default=None, description="The provider's task, where one was ever named.")
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
    age: timedelta | None = Field(default=None, description="Since it was sent, by PostgreSQL's clock.")
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
    wanted_by: list[ClipId] = Field(default=[], description="Every clip that wants its take, in whichever video.")
    words: str


class LostCount(Contract):
    """How many orders are unresolved, and for how long the oldest has been."""

    open: int
    oldest: timedelta = Field(description="0 when there is none.")


class LostClip(Contract):
    """A clip whose order is lost, and how many orders its video may send again without asking."""

    clip: ClipId
    take: str = Field(default="", description="The take it wants now: only that one's order is meant.")
    most: int
