"""Budgets on a real PostgreSQL: no number of workers passes a limit together."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from studio.contracts.clip import ClipId
from studio.errors import BudgetReached, InvalidRequest
from studio.store.budgets import BudgetStore
from studio.store.orders import Order, Submission
from studio.store.pool import Database, open_database
from studio.store.submissions import SubmissionLedger

PRICE = Decimal("0.21")


def order(number: int, channel: str = "poke1") -> Order:
    clip = ClipId(channel=channel, video_id="vid_1", number=number)
    return Order(clip=clip, take=f"{number:064x}", provider="kling", model="m", seconds=5, price_usd=PRICE)


@pytest.fixture
def ledger(database: Database) -> SubmissionLedger:
    return SubmissionLedger(database)


@pytest.fixture
def budgets(database: Database) -> BudgetStore:
    return BudgetStore(database)


async def sent(ledger: SubmissionLedger, number: int, channel: str = "poke1") -> Submission:
    submission = await ledger.intend(order(number, channel), sender="me")
    await ledger.send(submission, "me")
    return submission


async def test_many_workers_at_once_never_pass_a_limit(
    ledger: SubmissionLedger, budgets: BudgetStore, database_url: str
) -> None:
    await budgets.set("day", Decimal("1.00"))
    async with open_database(database_url) as elsewhere:
        both = (ledger, SubmissionLedger(elsewhere))
        orders = [await ledger.intend(order(number), sender="me") for number in range(1, 13)]
        sending = (both[n % 2].send(submission, "me") for n, submission in enumerate(orders))
        ends = await asyncio.gather(*sending, return_exceptions=True)
    assert sum(end == 1 for end in ends) == 4
    assert sum(isinstance(end, BudgetReached) for end in ends) == 8
    assert [budget.spent_usd for budget in await budgets.limits()] == [Decimal("0.84")]


async def test_what_was_refused_or_never_left_is_released(ledger: SubmissionLedger, budgets: BudgetStore) -> None:
    await budgets.set("film/poke1/vid_1", PRICE)
    await ledger.refuse((await sent(ledger, 1)).id, "no")
    back = await sent(ledger, 2)
    await ledger.put_back(back.id, "429")
    await sent(ledger, 3)
    with pytest.raises(BudgetReached):
        await ledger.send(back, "me")


async def test_a_bill_replaces_the_reservation(ledger: SubmissionLedger, budgets: BudgetStore) -> None:
    await budgets.set("day/poke1", Decimal("0.42"))
    first = await sent(ledger, 1)
    await ledger.settle(first.id, task_id="t", verdict="delivered", billed_usd=Decimal("0.05"), billed_credits=None)
    await sent(ledger, 2)
    with pytest.raises(BudgetReached, match=r"0\.26 of 0\.42 USD are spent, this clip costs 0\.21"):
        await ledger.send(await ledger.intend(order(3), sender="me"), "me")
    (today,) = await budgets.today()
    assert (today.orders, today.spent_usd, today.open_usd) == (2, Decimal("0.26"), PRICE)
    assert today.over_estimate_usd == Decimal("-0.16")


async def test_a_lost_order_counts_until_somebody_decides(ledger: SubmissionLedger, budgets: BudgetStore) -> None:
    await budgets.set("day", PRICE)
    await ledger.lose((await sent(ledger, 1)).id, "reset")
    with pytest.raises(BudgetReached):
        await ledger.send(await ledger.intend(order(2), sender="me"), "me")


async def test_another_day_has_its_own_money(
    ledger: SubmissionLedger, budgets: BudgetStore, database: Database
) -> None:
    await budgets.set("day", PRICE)
    await budgets.set("film/poke1/vid_1", Decimal("0.30"))
    first = await sent(ledger, 1)
    async with database.transaction() as connection:
        await connection.execute("update submissions set sent_at = now() - interval '1 day' where id = $1", first.id)
    assert await budgets.today() == []
    await sent(ledger, 1, channel="poke2")
    with pytest.raises(BudgetReached, match="film/poke1/vid_1"):
        await ledger.send(await ledger.intend(order(2), sender="me"), "me")


async def test_a_limit_can_be_taken_away(ledger: SubmissionLedger, budgets: BudgetStore) -> None:
    await budgets.set("day", Decimal(0))
    submission = await ledger.intend(order(1), sender="me")
    with pytest.raises(BudgetReached):
        await ledger.send(submission, "me")
    await budgets.clear("day")
    assert await ledger.send(submission, "me") == 1


@pytest.mark.parametrize("scope", ["", "week", "day/", "film/poke1", "day/a/b", "film/a/b/c"])
async def test_a_budget_of_nothing_we_know_is_refused(budgets: BudgetStore, scope: str) -> None:
    with pytest.raises(InvalidRequest):
        await budgets.set(scope, Decimal(1))


async def test_a_negative_budget_is_refused(budgets: BudgetStore) -> None:
    with pytest.raises(InvalidRequest):
        await budgets.set("day", Decimal(-1))


async def test_an_order_of_yesterday_that_is_only_intended_costs_nothing(
    ledger: SubmissionLedger, budgets: BudgetStore
) -> None:
    await ledger.intend(replace(order(1), price_usd=Decimal(100)), sender="me")
    await budgets.set("day", PRICE)
    await sent(ledger, 2)
