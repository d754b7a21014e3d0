"""The ledger and the budget against a simple model, on a real PostgreSQL: whatever comes in whatever order, nothing is
sent or billed beyond the limit, and nothing stays reserved once everything is closed.

Every public method is one transaction, so sequences of calls are all the interleavings there are; what happens when
they really come at once is tried apart, at the end.
"""

import asyncio
import itertools
import random
from collections.abc import Coroutine
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from studio.contracts.clip import ClipId
from studio.contracts.desk import Decision, DecisionKind
from studio.errors import BudgetReached, InvalidRequest, SubmissionUnknown
from studio.store.budgets import BudgetStore
from studio.store.desk import DeskStore
from studio.store.orders import Order, Submission, Verdict
from studio.store.pool import Database, open_database
from studio.store.submissions import SubmissionLedger

T = TypeVar("T")
PRICE, LIMIT = Decimal("0.42"), Decimal("1.00")
CLIPS = 4
ROOM = 2
"""Clips that fit into the limit."""
OPEN = ("sent", "accepted", "unknown")
CHANNELS = (f"channel_{number}" for number in itertools.count())

clips = st.integers(1, CLIPS)
bills = st.sampled_from([Decimal(0), Decimal("0.21"), PRICE])


def order(channel: str, number: int) -> Order:
    """The order for a clip; every clip wants something else."""
    clip = ClipId(channel=channel, video_id="vid_1", number=number)
    return Order(clip=clip, take=f"{number:064x}", provider="kling", model="m", seconds=10, price_usd=PRICE)


@dataclass
class Row:
    """What the model knows of one order."""

    submission: Submission
    state: str = "intended"
    verdict: str = ""
    claim: str = ""
    task: str | None = None
    """What the provider made of it, whether or not we were told."""
    billed: Decimal = Decimal(0)
    """By the provider, in the end."""
    booked: Decimal = Decimal(0)

    @property
    def spent(self) -> Decimal:
        """What it counts with against a limit."""
        return self.booked if self.state == "settled" else PRICE if self.state in OPEN else Decimal(0)

    @property
    def may_follow(self) -> bool:
        """Does the next attempt become an order of its own?"""
        return self.state == "refused" or (self.state == "settled" and self.verdict != "delivered")


class Books(RuleBasedStateMachine):
    """Workers, a provider and a desk, one call at a time, and what must come of it."""

    loop: asyncio.AbstractEventLoop
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.channel = next(CHANNELS)
        self.ledger, self.desk = SubmissionLedger(self.database), DeskStore(self.database)
        self.budgets = BudgetStore(self.database)
        self.rows: dict[int, list[Row]] = {number: [] for number in range(1, CLIPS + 1)}
        self.names = itertools.count()
        self.do(self.budgets.set(f"film/{self.channel}/vid_1", LIMIT))

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(call, self.loop).result(20)

    def newest(self, number: int) -> Row | None:
        return self.rows[number][-1] if self.rows[number] else None

    @property
    def all(self) -> list[Row]:
        return [row for rows in self.rows.values() for row in rows]

    # ── workers ──────────────────────────────────────────────────────────

    @rule(number=clips, knows_its_claim=st.booleans())
    def intend(self, number: int, knows_its_claim: bool) -> None:
        row = self.newest(number)
        unsent = row.claim if row and knows_its_claim and row.task is None else None
        try:
            found = self.do(self.ledger.intend(order(self.channel, number), unsent_claim=unsent or None))
        except SubmissionUnknown:
            assert row is not None
            assert row.state == "unknown" or (row.state == "sent" and not unsent)
            row.state = "unknown"
            return
        if row is None or row.may_follow:
            self.rows[number].append(Row(found))
            assert found.attempt == len(self.rows[number])
        elif row.state == "sent":
            assert unsent
            row.state = "intended"
        assert found.id == self.rows[number][-1].submission.id
        assert found.state == self.rows[number][-1].state

    @rule(number=clips)
    def send(self, number: int) -> None:
        row = self.newest(number)
        if row is None:
            return
        claim, spent = f"claim-{next(self.names)}", sum(other.spent for other in self.all)
        try:
            self.do(self.ledger.send(row.submission, claim))
        except BudgetReached:
            assert spent + PRICE > LIMIT
        except SubmissionUnknown:
            assert row.state != "intended"
        else:
            assert row.state == "intended"
            assert spent + PRICE <= LIMIT
            row.state, row.claim = "sent", claim

    @rule(number=clips)
    def put_back(self, number: int) -> None:
        """Also late, when the order is something else already."""
        row = self.newest(number)
        if row is not None and row.task is None:
            self.do(self.ledger.put_back(row.submission.id, "429"))
            row.state = "intended" if row.state == "sent" else row.state

    @rule(number=clips)
    def refuse(self, number: int) -> None:
        row = self.newest(number)
        if row is not None and row.task is None:
            self.do(self.ledger.refuse(row.submission.id, "422"))
            row.state = "refused" if row.state in ("intended", "sent") else row.state

    @rule(number=clips)
    def lose(self, number: int) -> None:
        row = self.newest(number)
        if row is not None:
            self.do(self.ledger.lose(row.submission.id, "reset"))
            row.state = "unknown" if row.state == "sent" else row.state

    # ── the provider ─────────────────────────────────────────────────────

    @rule(number=clips)
    def the_provider_accepts(self, number: int) -> None:
        row = self.newest(number)
        if row is not None and row.state in ("sent", "unknown") and row.task is None:
            row.task, row.billed = f"task-{self.channel}-{next(self.names)}", PRICE

    @rule(number=clips)
    def accept(self, number: int) -> None:
        """The receipt, perhaps long after the order was given up for lost."""
        row = self.newest(number)
        if row is not None and row.task is not None:
            self.do(self.ledger.accept(row.submission.id, row.task))
            row.state = "accepted" if row.state in ("sent", "unknown") else row.state

    @precondition(lambda self: any(row.task for row in self.all))
    @rule(number=clips, other=clips)
    def accept_another_orders_task(self, number: int, other: int) -> None:
        row, owner = self.newest(number), self.newest(other)
        if row is None or owner is None or row is owner or row.state != "sent" or row.task or not owner.task:
            return
        if owner.state not in ("accepted", "settled") or owner.verdict == "written_off":
            return
        try:
            self.do(self.ledger.accept(row.submission.id, owner.task))
        except SubmissionUnknown:
            row.state = "unknown"
        else:
            raise AssertionError("two orders share a task")

    @rule(number=clips, bill=bills, delivered=st.booleans())
    def settle(self, number: int, bill: Decimal, delivered: bool) -> None:
        row = self.newest(number)
        if row is not None and row.state == "accepted" and row.task is not None:
            self._settle(row, bill, delivered)

    def _settle(self, row: Row, bill: Decimal, delivered: bool) -> None:
        verdict: Verdict = "delivered" if delivered else "failed"
        row.state, row.verdict = "settled", verdict
        row.booked = row.billed = bill
        self.do(
            self.ledger.settle(
                row.submission.id, task_id=row.task or "", verdict=verdict, billed_usd=bill, billed_credits=None
            )
        )

    @rule(number=clips)
    def condemn(self, number: int) -> None:
        row = self.newest(number)
        if row is not None and row.state == "settled" and row.verdict == "delivered" and row.task is not None:
            self.do(self.ledger.condemn(order(self.channel, number).clip, row.task, "black"))
            row.verdict = "bad"

    # ── the desk ─────────────────────────────────────────────────────────

    @rule(number=clips, kind=st.sampled_from(DecisionKind))
    def decide(self, number: int, kind: DecisionKind) -> None:
        row = self.newest(number)
        if row is None or (kind is DecisionKind.ADOPT and row.task is None):
            return
        task = row.task if kind is DecisionKind.ADOPT else None
        why = f"because {next(self.names)}"
        decision = Decision(submission_id=row.submission.id, kind=kind, who="ann", why=why, task_id=task)
        try:
            self.do(self.desk.decide(decision, words="done"))
        except InvalidRequest:
            assert row.state != "unknown"
            return
        assert row.state == "unknown"
        if kind is DecisionKind.ADOPT:
            row.state = "accepted"
        elif kind is not DecisionKind.CHECK:
            row.state, row.verdict, row.booked = "settled", "written_off", PRICE

    # ── what holds at all times ──────────────────────────────────────────

    @invariant()
    def the_limit_holds(self) -> None:
        spent = sum((row.spent for row in self.all), start=Decimal(0))
        (told,) = [b for b in self.do(self.budgets.limits()) if b.scope == f"film/{self.channel}/vid_1"]
        assert told.spent_usd == spent <= LIMIT
        assert sum(row.billed for row in self.all) <= spent

    @invariant()
    def the_desk_knows_what_is_lost(self) -> None:
        lost = {lost.submission_id for lost in self.do(self.desk.lost(channel=self.channel))}
        assert lost == {row.submission.id for row in self.all if row.state == "unknown"}

    def teardown(self) -> None:
        """Everything is closed, one way or another: nothing is left behind, and what was billed is what is booked."""
        for row in self.all:
            if row.state == "sent":
                self.do(self.ledger.lose(row.submission.id, "the end"))
                row.state = "unknown"
            if row.state == "unknown":
                self.decide(row.submission.number, DecisionKind.ADOPT if row.task else DecisionKind.WRITE_OFF)
            if row.state == "accepted":
                self._settle(row, PRICE, delivered=True)
        self.the_limit_holds()
        assert self.do(self.ledger.ordered(self.channel, "vid_1")) == []
        assert self.do(self.desk.lost(channel=self.channel)) == []
        assert [s for s in self.do(self.budgets.today()) if s.channel == self.channel and s.open_usd] == []


async def test_no_order_of_calls_passes_the_limit_or_leaves_anything_reserved(database: Database) -> None:
    class Machine(Books):
        loop = asyncio.get_running_loop()

    Machine.database = database
    check = settings(max_examples=25, stateful_step_count=30, deadline=None)
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=check)


async def test_workers_that_really_run_at_once_send_every_order_once_and_stay_within_the_limit(
    database: Database, database_url: str
) -> None:
    """Four workers with connections of their own; each has its own idea of when to do what."""
    loop = asyncio.get_running_loop()
    async with open_database(database_url) as elsewhere:
        ledgers = [SubmissionLedger(base) for base in (database, elsewhere)]

        @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(seeds=st.lists(st.integers(0, 2**16), min_size=4, max_size=4))
        def check(seeds: list[int]) -> None:
            asyncio.run_coroutine_threadsafe(_race(database, ledgers, seeds), loop).result(20)

        await asyncio.to_thread(check)


async def _race(database: Database, ledgers: list[SubmissionLedger], seeds: list[int]) -> None:
    channel, budgets = next(CHANNELS), BudgetStore(database)
    await budgets.set(f"day/{channel}", LIMIT)
    sent: list[str] = []
    workers = [_worker(ledgers[n % 2], channel, random.Random(seed), sent) for n, seed in enumerate(seeds)]
    await asyncio.gather(*workers)
    (spending,) = [s for s in await budgets.today() if s.channel == channel]
    assert spending.spent_usd <= LIMIT
    assert len(set(sent)) == len(sent) <= ROOM
    assert spending.open_usd == len(await ledgers[0].ordered(channel, "vid_1")) * PRICE


async def _worker(ledger: SubmissionLedger, channel: str, chance: random.Random, sent: list[str]) -> None:
    """Orders every clip in an order of its own; the provider accepts, refuses, says 'later' or nothing at all."""
    for number in chance.sample(range(1, CLIPS + 1), k=CLIPS):
        try:
            submission = await ledger.intend(order(channel, number))
            await ledger.send(submission, f"{id(chance)}-{number}")
        except (BudgetReached, SubmissionUnknown):
            continue
        match chance.randrange(4):
            case 0:
                await ledger.refuse(submission.id, "422")
            case 1:
                await ledger.put_back(submission.id, "429")
            case 2:
                sent.append(submission.id)
                await ledger.lose(submission.id, "reset")
            case 3:
                sent.append(submission.id)
                await ledger.accept(submission.id, f"task-{submission.id}")
