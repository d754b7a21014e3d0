"""The ledger and the budget against a simple model, on a real PostgreSQL: whatever comes in whatever order, nothing is
sent or billed beyond a limit, and nothing stays reserved once everything is closed."""

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from studio.errors import BeingOrdered, BudgetReached, SubmissionUnknown
from studio.store.budgets import BudgetStore
from studio.store.pool import Database, open_database
from studio.store.submissions import SubmissionLedger
from tests.studio.store.ledger_model import CHANNELS, CUSTOMERS, DAY_LIMIT, PRICE, Books, know_the_price


@pytest.mark.parametrize("examples", [20, pytest.param(150, marks=pytest.mark.slow)])
async def test_no_order_of_calls_passes_the_limit_or_leaves_anything_reserved(
    database: Database, examples: int
) -> None:
    class Machine(Books):
        loop = asyncio.get_running_loop()

    Machine.database = database
    await know_the_price(database)
    check = settings(max_examples=examples, stateful_step_count=40, deadline=None)
    await asyncio.to_thread(run_state_machine_as_test, Machine, settings=check)


async def test_workers_that_really_run_at_once_send_every_order_once_and_stay_within_the_limit(
    database: Database, database_url: str
) -> None:
    """Four workers with connections of their own; each has its own idea of when to do what."""
    loop = asyncio.get_running_loop()
    await know_the_price(database)
    async with open_database(database_url) as elsewhere:
        ledgers = [SubmissionLedger(base) for base in (database, elsewhere)]

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(seeds=st.lists(st.integers(0, 2**16), min_size=4, max_size=4))
        def check(seeds: list[int]) -> None:
            asyncio.run_coroutine_threadsafe(_race(database, ledgers, seeds), loop).result(20)

        await asyncio.to_thread(check)


async def _race(database: Database, ledgers: list[SubmissionLedger], seeds: list[int]) -> None:
    channel, budgets = next(CHANNELS), BudgetStore(database)
    await budgets.set(f"day/{channel}", DAY_LIMIT)
    sent: list[str] = []
    workers = [_worker(ledgers[n % 2], channel, random.Random(seed), f"{n}", sent) for n, seed in enumerate(seeds)]
    await asyncio.gather(*workers)
    spent = sum(spending.spent_usd for spending in await budgets.today() if spending.channel == channel)
    still_open = [order for video in ("vid_1", "vid_2") for order in await ledgers[0].ordered(channel, video)]
    assert spent == len(still_open) * PRICE <= DAY_LIMIT
    assert len(set(sent)) == len(sent) == len(still_open)


async def _worker(ledger: SubmissionLedger, channel: str, chance: random.Random, name: str, sent: list[str]) -> None:
    """Orders every clip, in an order of its own; the provider accepts, refuses, says 'later' or nothing at all."""
    for customer in chance.sample(CUSTOMERS, k=len(CUSTOMERS)):
        sender = f"{name}/{customer.sender}"
        try:
            submission = await ledger.intend(customer.order(channel), sender=sender)
            await ledger.send(submission, f"{sender}/1")
        except (BudgetReached, SubmissionUnknown, BeingOrdered):
            continue
        match chance.randrange(4):
            case 0:
                await ledger.refuse(submission.id, "422", claim=f"{sender}/1")
            case 1:
                await ledger.put_back(submission.id, "429", claim=f"{sender}/1")
            case 2:
                sent.append(submission.id)
                await ledger.lose(submission.id, "reset")
            case 3:
                sent.append(submission.id)
                await ledger.accept(submission.id, f"task-{submission.id}")
