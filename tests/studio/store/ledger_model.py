"""Clips that want takes, and what a simple model of the ledger knows of their orders."""

import itertools
from dataclasses import dataclass
from decimal import Decimal

from studio.contracts.clip import ClipId
from studio.store.orders import Order

PRICE = Decimal("0.42")
DAY_LIMIT, FILM_LIMIT = Decimal("1.00"), Decimal("0.50")
"""Of the channel and of its first film: two clips, and one of them."""
OPEN = ("sent", "accepted", "unknown")
CHANNELS = (f"channel_{number}" for number in itertools.count())


@dataclass(frozen=True)
class Customer:
    """A clip of a film, and the take it wants; another film's clip may want the same."""

    film: str
    number: int
    take: int

    def order(self, channel: str) -> Order:
        clip = ClipId(channel=channel, video_id=self.film, number=self.number)
        return Order(clip=clip, take=f"{self.take:064x}", provider="kling", model="m", seconds=10, price_usd=PRICE)

    @property
    def sender(self) -> str:
        return f"{self.film}/{self.number}"


SHARED = 1
CUSTOMERS = (
    Customer("vid_1", 1, take=SHARED),
    Customer("vid_1", 2, take=2),
    Customer("vid_2", 1, take=SHARED),
    Customer("vid_2", 2, take=3),
)
TAKES = {customer.take for customer in CUSTOMERS}


@dataclass
class Row:
    """What the model knows of one order."""

    id: str
    owner: Customer
    state: str = "intended"
    verdict: str = ""
    claim: str = ""
    task: str | None = None
    """What the provider made of it, whether or not we were told."""
    told: bool = False
    billed: Decimal = Decimal(0)
    """By the provider."""
    booked: Decimal = Decimal(0)
    """By us, in the end."""

    @property
    def spent(self) -> Decimal:
        """What it counts with against a limit."""
        return self.booked if self.state == "settled" else PRICE if self.state in OPEN else Decimal(0)

    @property
    def written_off(self) -> bool:
        return self.state == "settled" and self.verdict == "written_off"

    @property
    def may_follow(self) -> bool:
        """Does the next attempt become an order of its own?"""
        return self.state == "refused" or (self.state == "settled" and self.verdict != "delivered")

    def accepted(self) -> None:
        self.state, self.verdict, self.booked, self.told = "accepted", "", Decimal(0), True
