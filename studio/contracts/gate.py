"""The gate in front of a provider: who waits, who is inside, who comes next."""

from datetime import datetime
from decimal import Decimal

from pydantic import Field

from studio.contracts.base import Contract, Identifier


class Ticket(Contract):
    """A place in the line for one clip."""

    name: str = Field(description="Unique: the holder's workflow, run and clip.")
    workflow_id: str
    first_run_id: str = Field(description="The first run of its film: another start of the film is another holder.")
    channel: Identifier
    video_id: Identifier
    number: int
    priority: int = Field(default=3, ge=1, le=5, description="1 goes before everybody, 5 after.")


class Slot(Contract):
    """A place inside, as its holder and his activities know it."""

    gate: str = Field(description="The gate's workflow id.")
    ticket: str
    probe: bool = Field(
        default=False, description="The first one in: nobody follows until the provider has accepted his order."
    )


class HeldSlot(Contract):
    """A place inside, as the gate knows it."""

    ticket: Ticket
    since: datetime
    until: datetime = Field(description="The lease: after this moment the place is free whatever happened.")
    accepted: bool = Field(default=False, description="The provider took an order under this ticket.")
    abandoned: bool = Field(default=False, description="The holder looks away; free when the provider is done.")


class Closing(Contract):
    """Told to a gate: why nobody should be let in."""

    reason: str
    error_type: str = Field(default="", description="The class of the refusal; empty: somebody's decision.")
    credits: Decimal | None = Field(default=None, description="The account's balance just before, where known.")


class GateState(Contract):
    """All a gate knows; also its input when it starts or continues as new."""

    limit: int = Field(ge=0, description="Places inside.")
    waiting: list[Ticket] = Field(default=[])
    held: list[HeldSlot] = Field(default=[])
    served: dict[str, float] = Field(default={}, description="Per channel: grants divided by the weight.")
    weights: dict[str, float] = Field(default={}, description="Per channel; 1 where nothing is said.")
    closed: str | None = Field(default=None, description="Why nobody is let in, and what opens the gate.")
    closing: Closing | None = Field(default=None, description="What closed the gate; missing in older histories.")
    closings: int = Field(default=0, description="How often the gate has closed.")
    standing_by: list[str] = Field(
        default=[], description="Workflow ids of the films it turned back: they are told when it opens."
    )
    proven: bool = Field(default=False, description="The provider accepted an order since the gate was empty.")
    recent: list[datetime] = Field(default=[], description="Grants within the pace window.")
    pace: int = Field(default=0, ge=0, description="Most grants per pace window; 0: any number.")
    pace_seconds: float = 10
    lease_seconds: float = 3_600
    sweep_seconds: float = 15
    credit_seconds: float = Field(
        default=30, gt=0, description="First pause between two looks at the account, while only credits are missing."
    )
    granted: int = Field(default=0, description="Grants since the gate was made.")
    swept: int = Field(default=0, description="Places taken back from holders that were gone.")
    most_held: int = Field(default=0, description="Most places ever held at once.")


class Sweep(Contract):
    """The holders a gate wants to know about."""

    held: list[HeldSlot]


class Swept(Contract):
    """Tickets whose places can be given to others."""

    gone: list[str]


class TopUpAwaited(Contract):
    """What a closed gate waits for: more credits than these."""

    gate: str = Field(description="The gate's workflow id.")
    closing: int = Field(description="Which of its closings this is about.")
    credits: Decimal | None = Field(default=None, description="None: not known, so the first look counts.")


class Granted(Contract):
    """Told to a holder: these of your tickets are inside."""

    slots: list[Slot]


class GateNotice(Contract):
    """Told to those who wait or stand by: the gate is closed, or open again (no reason)."""

    closed: str | None


class ChannelWeight(Contract):
    """How large a share a channel gets, beside the others."""

    channel: Identifier
    weight: float = Field(gt=0, le=1_000)


class GateName(Contract):
    """Which gate."""

    gate: str = Field(description="The gate's workflow id.")
