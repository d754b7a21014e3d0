"""`budget …` and `lost …`: amounts that are none, and what is listed."""

from studio.store.budgets import BudgetStore
from studio.store.desk import DeskStore
from tests.commands.starter import Starter
from tests.studio_at_work import StudioAtWork, eventually


async def test_a_budget_that_is_no_amount_is_refused_in_a_sentence(studio: StudioAtWork, starter: Starter) -> None:
    for odd in ("nan", "1e30", "inf", "-inf", "-1", "sNaN", "many", ""):
        done = await starter("budget", "set", "day", odd)
        said = done.stdout + done.stderr
        assert done.code == 2, odd
        assert "a budget is an amount from 0 to 10,000,000 USD" in said or "is no amount of money" in said, odd
        assert "Traceback" not in said, odd
    assert await BudgetStore(studio.database).limits() == []
    assert (await starter("budget", "set", "day", "1.50")).code == 0


async def test_an_accepted_order_that_does_not_finish_is_listed(studio: StudioAtWork, starter: Starter) -> None:
    """For twice the longest clip."""
    studio.kie.configure(duration=(1_000_000, 1_000_000))
    await studio.start(await studio.request(clips=1))
    await eventually(lambda: studio.rows("select 1 from submissions where state = 'accepted'"), bool)
    assert "0 lost" in (await starter("lost", "list")).stdout
    await studio.rows("update submissions set accepted_at = now() - interval '31 minutes' returning id")
    (order,) = await DeskStore(studio.database).lost()
    shown = (await starter("lost", "list")).stdout
    assert "1 lost, 0.21 USD at stake" in shown
    assert "not finished" in (await starter("lost", "show", order.submission_id)).stdout
