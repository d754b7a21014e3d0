"""The gate in front of a provider: who waits, who is inside, who comes next."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from studio.contracts.base import Contract, Identifier, Reference, SetByWorkflow
from studio.contracts.excerpt import Excerpt

LONGEST_WAIT = 7 * 86_400
"""Seconds: a week."""


class Ticket(Contract):
    """A place in the line for one clip."""

    name: Reference = Field(description="Unique: the holder's workflow, run and clip.")
    workflow_id: Reference
    first_run_id: Reference = Field(
        description="The first run of its video: another start of the video is another holder."
    )
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

    reason: Excerpt
    error_type: Excerpt = Field(default="", description="The class of the refusal; empty: somebody's decision.")
    credits: Decimal | None = Field(default=None, description="The account's balance just before, where known.")


class GateState(Contract):
    """All a gate knows: its input when it starts or continues as new, below 1 MiB."""

    limit: int = Field(ge=0, le=10_000, description="Places inside.")
    waiting: Annotated[list[Ticket], SetByWorkflow] = Field(default=[])
    held: Annotated[list[HeldSlot], SetByWorkflow] = Field(default=[])
    served: Annotated[dict[str, float], SetByWorkflow] = Field(
        default={}, description="Per channel: grants divided by the weight."
    )
    weights: dict[str, Annotated[float, Field(gt=0, le=1_000)]] = Field(
        default={}, description="Per channel; 1 where nothing is said."
    )
    closed: Annotated[str | None, SetByWorkflow] = Field(
        default=None, description="Why nobody is let in, and what opens the gate."
    )
    closing: Annotated[Closing | None, SetByWorkflow] = Field(
        default=None, description="What closed the gate; missing in older histories."
    )
    closings: Annotated[int, SetByWorkflow] = Field(default=0, description="How often the gate has closed.")
    standing_by: Annotated[list[str], SetByWorkflow] = Field(
        default=[], description="Workflow ids of the videos it turned back: they are told when it opens."
    )
    proven: Annotated[bool, SetByWorkflow] = Field(
        default=False, description="The provider accepted an order since the gate was empty."
    )
    counted: Annotated[bool, SetByWorkflow] = Field(
        default=False, description="Orders that were with the provider before the gate was made have their places."
    )
    recent: Annotated[list[datetime], SetByWorkflow] = Field(default=[], description="Grants within the pace window.")
    pace: int = Field(default=0, ge=0, le=500, description="Most grants per pace window; 0: any number.")
    pace_seconds: float = Field(default=10, gt=0, le=LONGEST_WAIT)
    lease_seconds: float = Field(default=3_600, gt=0, le=LONGEST_WAIT)
    sweep_seconds: float = Field(default=15, gt=0, le=LONGEST_WAIT)
    credit_seconds: float = Field(
        default=30,
        gt=0,
        le=LONGEST_WAIT,
        description="First pause between two looks at the account, while only credits are missing.",
    )
    arrivals: Annotated[int, SetByWorkflow] = Field(
        default=0, description="Tickets that have joined the line since the gate was made."
    )
    granted: Annotated[int, SetByWorkflow] = Field(default=0, description="Grants since the gate was made.")
    refused: Annotated[int, SetByWorkflow] = Field(
        default=0, description="Tickets there was no room for; their holders ask again."
    )
    swept: Annotated[int, SetByWorkflow] = Field(
        default=0, description="Places taken back from holders that were gone."
    )
    most_held: Annotated[int, SetByWorkflow] = Field(default=0, description="Most places ever held at once.")


class GateStatus(Contract):
    """A gate in short: the answer of the query `state`. Waiting tickets are paged by the query `tickets`."""

    limit: int = Field(description="Places inside.")
    held: list[HeldSlot] = Field(description="Who is inside.")
    waiting: int = Field(description="Tickets in the line.")
    waiting_by_channel: dict[str, int] = Field(description="Of the channels with the most tickets in the line.")
    other_channels: int = Field(default=0, description="How many more channels wait.")
    closed: str | None = Field(default=None, description="Why nobody is let in, and what opens the gate.")
    closing: Closing | None = Field(default=None, description="What closed the gate.")
    closings: int = Field(default=0, description="How often the gate has closed.")
    standing_by: int = Field(default=0, description="Videos it turned back: they are told when it opens.")
    proven: bool = Field(default=False, description="The provider accepted an order since the gate was empty.")
    weights: dict[str, float] = Field(default={}, description="Per channel; 1 where nothing is said.")
    pace: int = Field(default=0, description="Most grants per pace window; 0: any number.")
    pace_seconds: float = 10
    granted: int = Field(default=0, description="Grants since the gate was made.")
    refused: int = Field(default=0, description="Tickets there was no room for; their holders ask again.")
    swept: int = Field(default=0, description="Places taken back from holders that were gone.")
    most_held: int = Field(default=0, description="Most places ever held at once.")


class TicketsAfter(Contract):
    """Which of the waiting tickets to list."""

    after: int = Field(default=0, ge=0, description="The arrival number of the last one listed; 0: from the beginning.")
    limit: int = Field(default=100, ge=1, le=500)


class WaitingTicket(Contract):
    """A ticket in the line."""

    arrival: int = Field(description="It grows from ticket to ticket.")
    ticket: Ticket


class TicketPage(Contract):
    """Waiting tickets in order of arrival."""

    tickets: list[WaitingTicket]
    more: bool


class Sweep(Contract):
    """The holders a gate wants to know about."""

    held: list[HeldSlot]


class Swept(Contract):
    """Tickets whose places can be given to others."""

    gone: list[str]


class OrderInFlight(Contract):
    """An order that the provider may be working on."""

    submission_id: Reference
    workflow_id: Reference = Field(description="Its video's.")
    channel: Identifier
    video_id: Identifier
    number: int


class OrdersInFlight(Contract):
    """What a new gate has to know before it lets anybody in: an earlier one may have been terminated."""

    orders: list[OrderInFlight]


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

    closed: Excerpt | None
    line_full: bool = Field(
        default=False, description="There is no room in the line for all tickets of this video: it asks again."
    )


class GateCarry(Contract):
    """What a video knows of its gate, from run to run."""

    closed: Excerpt | None = Field(default=None, description="Why the gate is closed, as it last told.")
    turned_back: bool = Field(default=False, description="The video was turned back, and waits for the gate to open.")
    opened: bool = Field(default=False, description="The gate has opened since, and the video has not gone on yet.")


class ChannelWeight(Contract):
    """How large a share a channel gets, beside the others."""

    channel: Identifier
    weight: float = Field(gt=0, le=1_000)


class TicketsInLine(Contract):
    """A video's tickets that wait: the gate is told of them again and again, in case it has lost them."""

    gate: str = Field(description="The gate's workflow id.")
    tickets: list[Ticket]
    again_seconds: float = Field(gt=0, description="Pause between two times.")


class GateName(Contract):
    """Which gate."""

    gate: str = Field(description="The gate's workflow id.")
