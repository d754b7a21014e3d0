"""An order, and its row in the ledger."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from studio.contracts.clip import ClipId

State = Literal["intended", "sent", "accepted", "settled", "refused", "unknown"]
Verdict = Literal["delivered", "failed", "bad", "written_off"]

COLUMNS = (
    "id, channel, video_id, number, take, attempt, state, verdict, task_id, price_usd, billed_usd, tries, claim, "
    "reason, sent_at, now() - sent_at as age"
)

LONGEST_REASON = 1_000
"""Characters of a reason that are kept."""


@dataclass(frozen=True)
class Order:
    """What is to be ordered. `take` is the digest of everything the provider is told."""

    clip: ClipId
    take: str
    provider: str
    model: str
    seconds: int
    price_usd: Decimal


@dataclass(frozen=True)
class Submission:
    """One row of the ledger."""

    id: str
    channel: str
    video_id: str
    number: int
    take: str
    attempt: int
    state: State
    verdict: Verdict | None
    task_id: str | None
    price_usd: Decimal
    billed_usd: Decimal | None
    tries: int
    claim: str | None
    reason: str
    sent_at: datetime | None
    age: timedelta | None = field(default=None, compare=False)
    """Since it was sent, by PostgreSQL's clock; None: not sent."""

    @property
    def clip(self) -> ClipId:
        """Whose order it is, and who pays for it."""
        return ClipId(channel=self.channel, video_id=self.video_id, number=self.number)


def storable(text: str) -> str:
    """A reason as PostgreSQL takes it: no NUL, no lone surrogates, not endless."""
    return text.replace("\x00", "").encode(errors="replace").decode()[:LONGEST_REASON]


def is_of(sender: str, claim: str | None) -> bool:
    """Whether a claim is this sender's: `R/5` has made `R/5` and `R/5/…`, not `R/51`."""
    return claim is not None and (claim == sender or claim.startswith(f"{sender}/"))
