"""A simple model of the ledger and the budget, and every call that may come: workers, a provider, a desk.

Every public method is one transaction, so sequences of calls are all the interleavings there are.
"""

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from studio.contracts.clip import ClipId
from studio.contracts.desk import Decision, DecisionKind
from studio.errors import BeingOrdered, BudgetReached, InvalidRequest, SubmissionUnknown
from studio.store.budgets import BudgetStore
from studio.store.desk import DeskStore
from studio.store.orders import Order, Submission, Verdict, is_of
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger

T = TypeVar("T")
PRICE = Decimal("0.42")
DAY_LIMIT, VIDEO_LIMIT = Decimal("1.00"), Decimal("0.50")
"""Of the channel and of its first video: two clips, and one of them."""
OPEN = ("sent", "accepted", "unknown")
CHANNELS = (f"channel_{number}" for number in itertools.count())


@dataclass(frozen=True)
class Customer:
    """A clip of a video, and the take it wants; another video's clip may want the same."""

    video: str
    number: int
    take: int

    def order(self, channel: str) -> Order:
        clip = ClipId(channel=channel, video_id=self.video, number=self.number)
        return Order(clip=clip, take=f"{self.take:064x}", provider="kling", model="m", seconds=10, price_usd=PRICE)

    @property
    def sender(self) -> str:
        return f"{self.video}/{self.number}"


CUSTOMERS = (
    Customer("vid_1", 1, take=1),
    Customer("vid_1", 2, take=2),
    Customer("vid_2", 1, take=1),
    Customer("vid_2", 2, take=3),
)
TAKES = {customer.take for customer in CUSTOMERS}

customers = st.sampled_from(CUSTOMERS)
takes = st.sampled_from(sorted(TAKES))
back = st.integers(0, 1)
"""The newest attempt at a take, or the one before."""
bills = st.sampled_from([Decimal(0), Decimal("0.21"), PRICE])


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
        if self.state == "settled":
            return max(self.booked, PRICE) if self.verdict in ("delivered", "bad") else self.booked
        return PRICE if self.state in OPEN else Decimal(0)

    @property
    def written_off(self) -> bool:
        return self.state == "settled" and self.verdict == "written_off"

    @property
    def may_follow(self) -> bool:
        """Does the next attempt become an order of its own?"""
        return self.state == "refused" or (self.state == "settled" and self.verdict != "delivered")

    def accepted(self) -> None:
        self.state, self.verdict, self.booked, self.told = "accepted", "", Decimal(0), True


async def know_the_price(database: Database) -> None:
    """The model has a bill, so that its orders need not go one after the other."""
    ledger = SubmissionLedger(database)
    order = await ledger.intend(CUSTOMERS[0].order("priced"), sender="me")
    await ledger.send(order, "me")
    await ledger.settle(order.id, task_id="priced", verdict="delivered", billed_usd=PRICE, billed_credits=None)


class Books(RuleBasedStateMachine):
    """Workers, a provider and a desk, one call at a time, and what must come of it."""

    loop: asyncio.AbstractEventLoop
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.channel = next(CHANNELS)
        self.ledger, self.desk = SubmissionLedger(self.database), DeskStore(self.database)
        self.budgets = BudgetStore(self.database)
        self.rows: dict[int, list[Row]] = {take: [] for take in TAKES}
        self.held: dict[Customer, Submission] = {}
        """What each clip's step was told to work on; that may be long ago."""
        self.names = itertools.count()
        self.limits = {f"day/{self.channel}": DAY_LIMIT, f"video/{self.channel}/vid_1": VIDEO_LIMIT}
        for scope, limit in self.limits.items():
            self.do(self.budgets.set(scope, limit))

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(20)

    @property
    def all(self) -> list[Row]:
        return [row for rows in self.rows.values() for row in rows]

    def pick(self, take: int, back: int) -> Row | None:
        return self.rows[take][-1 - back] if len(self.rows[take]) > back else None

    def spent(self, video: str | None = None) -> Decimal:
        return sum((row.spent for row in self.all if video in (None, row.owner.video)), start=Decimal(0))

    # ── workers ──────────────────────────────────────────────────────────

    @rule(customer=customers, knows_its_claim=st.booleans())
    def intend(self, customer: Customer, knows_its_claim: bool) -> None:
        row = self.pick(customer.take, 0)
        mine = row is not None and is_of(customer.sender, row.claim)
        unsent = row.claim if row and mine and knows_its_claim and row.task is None else None
        try:
            found = self.do(
                self.ledger.intend(customer.order(self.channel), sender=customer.sender, unsent_claim=unsent)
            )
        except BeingOrdered:
            assert row is not None and row.state == "sent" and not mine
            return
        except SubmissionUnknown:
            assert row is not None
            assert not unsent
            assert row.state == "unknown" or (row.state == "sent" and mine)
            row.state = "unknown"
            return
        if row is None or row.may_follow:
            row = Row(found.id, customer)
            self.rows[customer.take].append(row)
        elif row.state in ("sent", "unknown"):
            assert unsent
            row.state = "intended"
        elif row.state == "intended":
            row.owner = customer
        assert (found.id, found.state, found.attempt) == (row.id, row.state, len(self.rows[customer.take]))
        self.held[customer] = found

    @rule(customer=customers)
    def send(self, customer: Customer) -> None:
        """Perhaps an order that somebody else has taken over meanwhile."""
        if (held := self.held.get(customer)) is None:
            return
        row = next(row for row in self.all if row.id == held.id)
        full = self.spent() + PRICE > DAY_LIMIT
        if held.video_id == "vid_1":
            full = full or self.spent("vid_1") + PRICE > VIDEO_LIMIT
        claim = f"{customer.sender}/{next(self.names)}"
        try:
            self.do(self.ledger.send(held, claim))
        except BudgetReached:
            assert (row.state, row.owner, full) == ("intended", customer, True)
        except BeingOrdered:
            assert row.state != "intended" or row.owner != customer
        else:
            assert (row.state, row.owner, full) == ("intended", customer, False)
            row.state, row.claim = "sent", claim

    @rule(take=takes, back=back)
    def put_back(self, take: int, back: int) -> None:
        """Also late, when the order is something else already."""
        row = self.pick(take, back)
        if row is not None and row.task is None:
            self.do(self.ledger.put_back(row.id, "429", claim=f"{row.claim}/another's"))
            self.do(self.ledger.put_back(row.id, "429", claim=row.claim))
            row.state = "intended" if row.state in ("sent", "unknown") else row.state

    @rule(take=takes, back=back)
    def refuse(self, take: int, back: int) -> None:
        row = self.pick(take, back)
        if row is not None and row.task is None:
            self.do(self.ledger.refuse(row.id, "422", claim=f"{row.claim}/another's"))
            self.do(self.ledger.refuse(row.id, "422", claim=row.claim))
            row.state = "refused" if row.state in ("sent", "unknown") else row.state

    @rule(take=takes, back=back)
    def lose(self, take: int, back: int) -> None:
        row = self.pick(take, back)
        if row is not None:
            self.do(self.ledger.lose(row.id, "reset"))
            row.state = "unknown" if row.state == "sent" else row.state

    # ── the provider ─────────────────────────────────────────────────────

    @rule(take=takes, back=back)
    def the_provider_accepts(self, take: int, back: int) -> None:
        """A request that is on its way, or was when it was given up."""
        row = self.pick(take, back)
        if row is not None and row.task is None and (row.state in ("sent", "unknown") or row.written_off):
            row.task, row.billed = f"task-{self.channel}-{next(self.names)}", PRICE

    @rule(take=takes, back=back)
    def accept(self, take: int, back: int) -> None:
        """The receipt, perhaps long after the order was given up for lost."""
        row = self.pick(take, back)
        if row is not None and row.task is not None:
            self.do(self.ledger.accept(row.id, row.task))
            if row.state in ("sent", "unknown") or row.written_off:
                row.accepted()

    @rule(take=takes, other=takes)
    def accept_another_orders_task(self, take: int, other: int) -> None:
        row, theirs = self.pick(take, 0), self.pick(other, 0)
        if row is None or theirs is None or row.state != "sent" or row.task or not (theirs.task and theirs.told):
            return
        with pytest.raises(SubmissionUnknown):
            self.do(self.ledger.accept(row.id, theirs.task))
        row.state = "unknown"

    @rule(take=takes, back=back, bill=bills, delivered=st.booleans())
    def settle(self, take: int, back: int, bill: Decimal, delivered: bool) -> None:
        row = self.pick(take, back)
        if row is not None and row.state == "accepted":
            self._settle(row, bill, "delivered" if delivered else "failed")

    def _settle(self, row: Row, bill: Decimal, verdict: Verdict) -> None:
        row.state, row.verdict, row.booked, row.billed = "settled", verdict, bill, bill
        self.do(
            self.ledger.settle(row.id, task_id=row.task or "", verdict=verdict, billed_usd=bill, billed_credits=None)
        )

    @rule(take=takes, back=back, bill=bills, delivered=st.booleans())
    def settle_what_is_closed(self, take: int, back: int, bill: Decimal, delivered: bool) -> None:
        """Closed books stay as they are, whatever is said later."""
        row = self.pick(take, back)
        if row is not None and row.state in ("settled", "refused"):
            verdict: Verdict = "delivered" if delivered else "failed"
            self.do(
                self.ledger.settle(
                    row.id, task_id=row.task or "t", verdict=verdict, billed_usd=bill, billed_credits=None
                )
            )

    @rule(take=takes, bill=bills)
    def settle_late(self, take: int, bill: Decimal) -> None:
        """The clip came home, and neither its receipt nor its last look got through to the books."""
        row = self.pick(take, 0)
        if row is not None and row.task is not None and row.state in OPEN:
            self.do(self.ledger.settle_late(row.id, row.task, bill))
            row.state, row.verdict, row.booked, row.billed, row.told = "settled", "delivered", bill, bill, True

    @rule(take=takes)
    def condemn(self, take: int) -> None:
        row = self.pick(take, 0)
        if row is not None and row.verdict == "delivered" and row.task is not None:
            self.do(self.ledger.condemn(self.channel, row.task, "black"))
            row.verdict = "bad"

    # ── the desk ─────────────────────────────────────────────────────────

    @rule(take=takes, back=back, kind=st.sampled_from(DecisionKind))
    def decide(self, take: int, back: int, kind: DecisionKind) -> None:
        row = self.pick(take, back)
        if row is not None and (kind is not DecisionKind.ADOPT or row.task is not None):
            self._decide(row, kind)

    def _decide(self, row: Row, kind: DecisionKind) -> None:
        adopting = kind is DecisionKind.ADOPT
        task, why = row.task if adopting else None, f"because {next(self.names)}"
        decision = Decision(submission_id=row.id, kind=kind, who="ann", why=why, task_id=task)
        possible = row.state == "unknown" or (adopting and row.written_off)
        has_it = adopting and not possible and row.told
        try:
            self.do(self.desk.decide(decision, words="done"))
        except InvalidRequest:
            assert not possible
            assert not has_it
            return
        if has_it:
            return  # adopting the task that the order has is a success, and changes nothing
        assert possible
        if adopting:
            row.accepted()
        elif kind is not DecisionKind.CHECK:
            row.state, row.verdict, row.booked = "settled", "written_off", PRICE

    # ── what holds at all times ──────────────────────────────────────────

    @invariant()
    def the_limits_hold(self) -> None:
        told = {budget.scope: budget.spent_usd for budget in self.do(self.budgets.limits())}
        assert told[f"day/{self.channel}"] == self.spent() <= DAY_LIMIT
        assert told[f"video/{self.channel}/vid_1"] == self.spent("vid_1") <= VIDEO_LIMIT
        assert sum(row.billed for row in self.all) <= self.spent()

    @invariant()
    def the_desk_knows_what_is_lost(self) -> None:
        lost = {lost.submission_id for lost in self.do(self.desk.lost(channel=self.channel))}
        assert lost == {row.id for row in self.all if row.state == "unknown"}

    def teardown(self) -> None:
        """Everything is closed, one way or another: nothing is left behind, and what was billed is what is booked."""
        for row in self.all:
            self.do(self.ledger.lose(row.id, "the end"))
            row.state = "unknown" if row.state == "sent" else row.state
            if row.state == "unknown":
                self._decide(row, DecisionKind.ADOPT if row.task else DecisionKind.WRITE_OFF)
            if row.state == "accepted":
                self._settle(row, PRICE, "delivered")
        self.the_limits_hold()
        assert [self.do(self.ledger.ordered(self.channel, video)) for video in ("vid_1", "vid_2")] == [[], []]
        assert self.do(self.desk.lost(channel=self.channel)) == []
        assert [s for s in self.do(self.budgets.today()) if s.channel == self.channel and s.open_usd] == []
        for budget in self.do(self.budgets.limits()):
            self.do(self.budgets.clear(budget.scope))
