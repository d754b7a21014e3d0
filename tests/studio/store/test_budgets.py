"""Budgets on a real PostgreSQL: no number of workers passes a limit together."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from studio.contracts.clip import ClipId
from studio.errors import BeingOrdered, BudgetReached, InvalidRequest
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


async def know_the_price(ledger: SubmissionLedger, database: Database, bill: str = "0.21") -> None:
    """The model has a bill of long ago, as far as budgets of a day or a video are concerned."""
    first = await sent(ledger, 99, channel="earlier")
    await ledger.settle(first.id, task_id="t0", verdict="delivered", billed_usd=Decimal(bill), billed_credits=None)
    async with database.transaction() as connection:
        await connection.execute("update submissions set sent_at = now() - interval '2 days' where id = $1", first.id)


async def sent(ledger: SubmissionLedger, number: int, channel: str = "poke1") -> Submission:
    submission = await ledger.intend(order(number, channel), sender="me")
    await ledger.send(submission, "me")
    return submission


async def test_many_workers_at_once_never_pass_a_limit(
    ledger: SubmissionLedger, budgets: BudgetStore, database: Database, database_url: str
) -> None:
    await know_the_price(ledger, database)
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
    await budgets.set("video/poke1/vid_1", PRICE)
    await ledger.refuse((await sent(ledger, 1)).id, "no", claim="me")
    back = await sent(ledger, 2)
    await ledger.put_back(back.id, "429", claim="me")
    await sent(ledger, 3)
    with pytest.raises(BudgetReached):
        await ledger.send(back, "me")


async def test_a_bill_above_the_price_replaces_the_reservation_and_one_below_it_does_not(
    ledger: SubmissionLedger, budgets: BudgetStore
) -> None:
    """A delivered clip that is said to be free counts with its list price; the books still say what was said."""
    await budgets.set("day/poke1", Decimal("0.70"))
    for number, bill in ((1, "0.05"), (2, "0.30")):
        first = await sent(ledger, number)
        await ledger.settle(
            first.id, task_id=f"t{number}", verdict="delivered", billed_usd=Decimal(bill), billed_credits=None
        )
    with pytest.raises(BudgetReached, match=r"0\.51 of 0\.70 USD are spent, this clip costs 0\.21"):
        await ledger.send(await ledger.intend(order(3), sender="me"), "me")
    (today,) = await budgets.today()
    assert (today.orders, today.spent_usd, today.open_usd) == (2, Decimal("0.35"), Decimal(0))
    assert today.over_estimate_usd == Decimal("-0.07")


async def test_a_bill_below_the_price_is_believed_when_the_balance_agrees_and_no_other_order_was_open(
    ledger: SubmissionLedger, budgets: BudgetStore
) -> None:
    cases = [  # credits before, after, billed; how many others are open; what counts
        (1000, 990, 10, 0, "0.05"),
        (1000, 958, 10, 0, "0.21"),  # the account lost more
        (1000, 1100, 10, 0, "0.21"),  # it was topped up meanwhile
        (1000, None, 10, 0, "0.21"),  # it was not told
        (None, 990, 10, 0, "0.21"),
        (1000, 1000, 0, 0, "0"),
        (1000, 990, 10, 1, "0.21"),  # whose 10 credits were these?
    ]
    for number, (before, after, billed, others, counts) in enumerate(cases, start=1):
        channel = f"ch{number}"
        await budgets.set(f"day/{channel}", Decimal(10))
        submission = await ledger.intend(order(number, channel), sender="me")
        await ledger.send(submission, "me", credits=None if before is None else Decimal(before))
        for other in range(others):
            await sent(ledger, 50 + other, channel="other")
        await ledger.settle(
            submission.id,
            task_id=f"t{number}",
            verdict="delivered",
            billed_usd=Decimal(billed) * Decimal("0.005"),
            billed_credits=Decimal(billed),
            credits=None if after is None else Decimal(after),
        )
        spent = {budget.scope: budget.spent_usd for budget in await budgets.limits()}
        assert spent[f"day/{channel}"] == Decimal(counts), cases[number - 1]


async def test_the_first_order_of_a_model_goes_alone_until_its_bill_is_known(
    ledger: SubmissionLedger, budgets: BudgetStore, database: Database
) -> None:
    """Where there is a limit: at a raised price, 0.84 USD allow one order to find out, not four at once."""
    await budgets.set("day", Decimal("0.84"))
    first = await sent(ledger, 1)
    second = await ledger.intend(order(2), sender="me")
    with pytest.raises(BeingOrdered, match="no bill yet"):
        await ledger.send(second, "me")
    await ledger.accept(first.id, "t1")
    with pytest.raises(BeingOrdered):
        await ledger.send(second, "me")
    await ledger.settle(first.id, task_id="t1", verdict="delivered", billed_usd=Decimal("0.80"), billed_credits=None)
    with pytest.raises(BudgetReached):
        await ledger.send(second, "me")
    await budgets.set("day", Decimal("2"))
    assert await ledger.send(second, "me") == 1
    await sent(ledger, 3)  # beside it: the price is known
    await budgets.clear("day")


async def test_an_order_without_a_bill_holds_up_others_only_for_a_while(
    ledger: SubmissionLedger, budgets: BudgetStore, database: Database
) -> None:
    """One that is lost, refused, failed, or of another model holds up none; an old one neither."""
    await budgets.set("day", Decimal(10))
    lost, refused, failed = await sent(ledger, 1), None, None
    await ledger.lose(lost.id, "reset")
    refused = await sent(ledger, 2)
    await ledger.refuse(refused.id, "422", claim="me")
    failed = await sent(ledger, 3)
    await ledger.settle(failed.id, task_id="t", verdict="failed", billed_usd=Decimal(0), billed_credits=None)
    slow = await sent(ledger, 4)
    other = await ledger.intend(replace(order(5), model="another"), sender="me")
    assert await ledger.send(other, "me") == 1
    async with database.transaction() as connection:
        await connection.execute(
            "update submissions set sent_at = now() - interval '31 minutes' where id = $1", slow.id
        )
    await sent(ledger, 6)


async def test_those_whose_order_another_one_sent_do_not_hear_of_the_budget(
    ledger: SubmissionLedger, budgets: BudgetStore
) -> None:
    await budgets.set("day", PRICE)
    submission = await ledger.intend(order(1), sender="me")
    ends = await asyncio.gather(
        *(ledger.send(submission, f"me/{number}") for number in range(40)), return_exceptions=True
    )
    assert [type(end) for end in ends if end != 1] == [BeingOrdered] * 39


async def test_a_lost_order_counts_until_somebody_decides(ledger: SubmissionLedger, budgets: BudgetStore) -> None:
    await budgets.set("day", PRICE)
    await ledger.lose((await sent(ledger, 1)).id, "reset")
    with pytest.raises(BudgetReached):
        await ledger.send(await ledger.intend(order(2), sender="me"), "me")


async def test_another_day_has_its_own_money(
    ledger: SubmissionLedger, budgets: BudgetStore, database: Database
) -> None:
    await budgets.set("day", PRICE)
    await budgets.set("video/poke1/vid_1", Decimal("0.30"))
    first = await sent(ledger, 1)
    async with database.transaction() as connection:
        await connection.execute("update submissions set sent_at = now() - interval '1 day' where id = $1", first.id)
    assert await budgets.today() == []
    await sent(ledger, 1, channel="poke2")
    with pytest.raises(BudgetReached, match="video/poke1/vid_1"):
        await ledger.send(await ledger.intend(order(2), sender="me"), "me")


async def test_a_limit_can_be_taken_away(ledger: SubmissionLedger, budgets: BudgetStore) -> None:
    await budgets.set("day", Decimal(0))
    submission = await ledger.intend(order(1), sender="me")
    with pytest.raises(BudgetReached):
        await ledger.send(submission, "me")
    await budgets.clear("day")
    assert await ledger.send(submission, "me") == 1


@pytest.mark.parametrize("scope", ["", "week", "day/", "video/poke1", "day/a/b", "video/a/b/c"])
async def test_a_budget_of_nothing_we_know_is_refused(budgets: BudgetStore, scope: str) -> None:
    with pytest.raises(InvalidRequest):
        await budgets.set(scope, Decimal(1))


async def test_a_budget_that_is_no_amount_is_refused_in_a_sentence(budgets: BudgetStore) -> None:
    for odd in ("-1", "nan", "-nan", "snan", "inf", "-inf", "1e30", "1e8", "-0.000001"):
        with pytest.raises(InvalidRequest, match="a budget is an amount from 0 to 10,000,000 USD"):
            await budgets.set("day", Decimal(odd))
    await budgets.set("day", Decimal("0.0000001"))
    assert [budget.scope for budget in await budgets.limits()] == ["day"]


async def test_an_order_of_yesterday_that_is_only_intended_costs_nothing(
    ledger: SubmissionLedger, budgets: BudgetStore
) -> None:
    await ledger.intend(replace(order(1), price_usd=Decimal(100)), sender="me")
    await budgets.set("day", PRICE)
    await sent(ledger, 2)
