"""What starting a video would do, said before anything is spent."""

from enum import StrEnum

from pydantic import Field

from studio.contracts.base import Contract, Sha256, Usd
from studio.contracts.clip import ClipNumber
from studio.contracts.video import VideoName


class ClipPlanned(StrEnum):
    """What would become of a clip."""

    NEW = "new"
    """It is made, and paid."""
    REUSED = "reused"
    """Its take is there."""
    ORDERED = "with the provider"
    """It was ordered before: accepted, delivered or lost; nothing is ordered again."""
    SHARED = "shared"
    """Another clip of the video has the same inputs, and the same take."""
    MISSING = "missing"
    """The take that was chosen is not there: the video is refused."""


class ClipPlan(Contract):
    """What would become of one clip."""

    number: ClipNumber
    planned: ClipPlanned
    take: Sha256
    cost_usd: Usd
    note: str = ""
    repeats: bool = Field(
        default=False, description="Its last clip was thrown away as black or frozen; the same may come out again."
    )


class BudgetPlan(Contract):
    """A limit the video's orders have to fit into."""

    scope: str
    limit_usd: Usd
    spent_usd: Usd
    passed: bool = Field(description="With this video's new orders it would be.")


class VideoPlan(VideoName):
    """What starting a video would do."""

    clips: list[ClipPlan]
    counts: dict[ClipPlanned, int]
    cost_usd: Usd = Field(description="Of the new orders, at list price.")
    seconds: float | None = Field(
        description="Until the clips are there, estimated; none: nobody knows, or the gate lets nobody in."
    )
    budgets: list[BudgetPlan]
    notes: list[str] = Field(default=[], description="What is done to stills before they are used.")
