"""Every call that may come to the ledger: from workers, a provider, a desk; and what must hold after each.

Every public method is one transaction, so sequences of calls are all the interleavings there are.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from studio.contracts.desk import Decision, DecisionKind
from studio.errors import BeingOrdered, BudgetReached, InvalidRequest, SubmissionUnknown
from studio.store.budgets import BudgetStore
from studio.store.desk import DeskStore
from studio.store.orders import Submission, Verdict
from studio.store.pool import Database
from studio.store.submissions import SubmissionLedger
from tests.studio.store.ledger_model import (
    CHANNELS,
    CUSTOMERS,
    DAY_LIMIT,
    FILM_LIMIT,
    OPEN,
    PRICE,
    SHARED,
    TAKES,
    Customer,
    Row,
)

T = TypeVar("T")

customers = st.sampled_from(CUSTOMERS)
place = st.integers(0, 7)
"""Which of those that come into question."""
answers = st.sampled_from(["put back", "refused", "lost", "accepted"])
bills = st.sampled_from([Decimal(0), Decimal("0.21"), PRICE])


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
        self.limits = {f"day/{self.channel}": DAY_LIMIT, f"film/{self.channel}/vid_1": FILM_LIMIT}
        for scope, limit in self.limits.items():
            self.do(self.budgets.set(scope, limit))

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(20)

    @property
    def all(self) -> list[Row]:
        return [row for rows in self.rows.values() for row in rows]

    def newest(self, take: int) -> Row | None:
        return self.rows[take][-1] if self.rows[take] else None

    def some(self, place: int, fits: Callable[[Row], bool]) -> Row | None:
        """One of the orders that fit, the newest first."""
        found = [row for row in reversed(self.all) if fits(row)]
        return found[place % len(found)] if found else None

    def spent(self, film: str | None = None) -> Decimal:
        return sum((row.spent for row in self.all if film in (None, row.owner.film)), start=Decimal(0))

    # ── workers ──────────────────────────────────────────────────────────

    @rule(customer=customers, knows_its_claim=st.booleans())
    def intend(self, customer: Customer, knows_its_claim: bool) -> None:
        row = self.newest(customer.take)
        mine = row is not None and row.claim.startswith(customer.sender)
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
            assert row.state == "unknown" or (row.state == "sent" and mine and not unsent)
            row.state = "unknown"
            return
        if row is None or row.may_follow:
            row = Row(found.id, customer)
            self.rows[customer.take].append(row)
        elif row.state == "sent":
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
            full = full or self.spent("vid_1") + PRICE > FILM_LIMIT
        claim = f"{customer.sender}/{next(self.names)}"
        try:
            self.do(self.ledger.send(held, claim))
        except BudgetReached:
            assert full
        except BeingOrdered:
            assert row.state != "intended" or row.owner != customer
        else:
            assert (row.state, row.owner, full) == ("intended", customer, False)
            row.state, row.claim = "sent", claim

    @rule(customer=customers)
    def order(self, customer: Customer) -> None:
        """As a worker does it."""
        self.intend(customer, knows_its_claim=False)
        self.send(customer)

    @rule(both=st.permutations([customer for customer in CUSTOMERS if customer.take == SHARED]))
    def order_together(self, both: list[Customer]) -> None:
        """Two films want the same take: both look, then both send."""
        for customer in both:
            self.intend(customer, knows_its_claim=False)
        for customer in both:
            self.send(customer)

    @rule(place=place, answer=answers)
    def answer(self, place: int, answer: str) -> None:
        """What came of a request, in good time."""
        if (row := self.some(place, lambda row: row.state == "sent")) is not None:
            if answer == "accepted":
                self._deliver(row)
            self._hear(row, answer)

    @rule(place=place, answer=answers)
    def late_answer(self, place: int, answer: str) -> None:
        """The same from a worker who was away: the order may be anything by now, but not on its way a second time."""
        if (row := self.some(place, lambda row: row.state not in ("sent", "intended"))) is not None:
            self._hear(row, answer)

    def _hear(self, row: Row, answer: str) -> None:
        if answer == "lost":
            self.do(self.ledger.lose(row.id, "reset"))
            row.state = "unknown" if row.state == "sent" else row.state
        elif answer == "accepted" and row.task is not None:
            self.do(self.ledger.accept(row.id, row.task))
            if row.state in ("sent", "unknown") or row.written_off:
                row.accepted()
        elif answer == "put back" and row.task is None:
            self.do(self.ledger.put_back(row.id, "429"))
            row.state = "intended" if row.state == "sent" else row.state
        elif answer == "refused" and row.task is None:
            self.do(self.ledger.refuse(row.id, "422"))
            row.state = "refused" if row.state == "sent" else row.state

    # ── the provider ─────────────────────────────────────────────────────

    @rule(place=place)
    def the_provider_accepts(self, place: int) -> None:
        """A request that is on its way, or was when it was given up."""
        row = self.some(place, lambda row: row.task is None and (row.state in ("sent", "unknown") or row.written_off))
        if row is not None:
            self._deliver(row)

    def _deliver(self, row: Row) -> None:
        if row.task is None:
            row.task, row.billed = f"task-{self.channel}-{next(self.names)}", PRICE

    @rule(place=place, other=place)
    def accept_another_orders_task(self, place: int, other: int) -> None:
        row = self.some(place, lambda row: row.state == "sent" and row.task is None)
        theirs = self.some(other, lambda row: row.told)
        if row is not None and theirs is not None and theirs.task is not None:
            with pytest.raises(SubmissionUnknown):
                self.do(self.ledger.accept(row.id, theirs.task))
            row.state = "unknown"

    @rule(place=place, bill=bills, verdict=st.sampled_from(["delivered", "failed"]))
    def settle(self, place: int, bill: Decimal, verdict: Verdict) -> None:
        if (row := self.some(place, lambda row: row.state == "accepted")) is not None:
            self._settle(row, bill, verdict)

    def _settle(self, row: Row, bill: Decimal, verdict: Verdict) -> None:
        row.state, row.verdict, row.booked, row.billed = "settled", verdict, bill, bill
        self.do(
            self.ledger.settle(row.id, task_id=row.task or "", verdict=verdict, billed_usd=bill, billed_credits=None)
        )

    @rule(place=place, bill=bills)
    def settle_late(self, place: int, bill: Decimal) -> None:
        """The clip came home, and neither its receipt nor its last look got through to the books."""
        row = self.some(place, lambda row: row.task is not None and row.state in OPEN)
        if row is not None and row.task is not None:
            self.do(self.ledger.settle_late(row.id, row.task, bill))
            row.state, row.verdict, row.booked, row.billed, row.told = "settled", "delivered", bill, bill, True

    @rule(place=place)
    def condemn(self, place: int) -> None:
        row = self.some(place, lambda row: row.verdict == "delivered")
        if row is not None and row.task is not None:
            self.do(self.ledger.condemn(self.channel, f"{row.owner.take:064x}", row.task, "black"))
            row.verdict = "bad"

    # ── the desk ─────────────────────────────────────────────────────────

    @rule(place=place, kind=st.sampled_from(DecisionKind), of_any=st.booleans())
    def decide(self, place: int, kind: DecisionKind, of_any: bool) -> None:
        row = self.some(place, lambda row: of_any or row.state == "unknown" or row.written_off)
        if row is not None and (kind is not DecisionKind.ADOPT or row.task is not None):
            self._decide(row, kind)

    def _decide(self, row: Row, kind: DecisionKind) -> None:
        adopting = kind is DecisionKind.ADOPT
        task, why = row.task if adopting else None, f"because {next(self.names)}"
        decision = Decision(submission_id=row.id, kind=kind, who="ann", why=why, task_id=task)
        possible = row.state == "unknown" or (adopting and row.written_off)
        try:
            self.do(self.desk.decide(decision, words="done"))
        except InvalidRequest:
            assert not possible
            return
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
        assert told[f"film/{self.channel}/vid_1"] == self.spent("vid_1") <= FILM_LIMIT
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
        assert [self.do(self.ledger.ordered(self.channel, film)) for film in ("vid_1", "vid_2")] == [[], []]
        assert self.do(self.desk.lost(channel=self.channel)) == []
        assert [s for s in self.do(self.budgets.today()) if s.channel == self.channel and s.open_usd] == []
        for budget in self.do(self.budgets.limits()):
            self.do(self.budgets.clear(budget.scope))
