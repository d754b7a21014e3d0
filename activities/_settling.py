"""Closing the books on an order: what the provider delivered and what it billed."""

from decimal import Decimal

from studio.providers.kie import KieTask
from studio.providers.kie_models import CREDIT_USD
from studio.store.submissions import SubmissionLedger


def billed(task: KieTask, *, price_usd: Decimal) -> Decimal:
    """What a finished task cost, in USD.

    KIE.ai says it in `creditsConsumed`. Where it says nothing, a delivered clip costs its list price and a
    failed one nothing, which is how its callbacks count.
    """
    if task.credits is not None:
        return task.credits * CREDIT_USD
    return price_usd if task.state == "success" else Decimal(0)


async def settle(
    ledger: SubmissionLedger, submission_id: str, task_id: str, task: KieTask, *, price_usd: Decimal
) -> None:
    """Write down how an order ended. Writing it again changes nothing."""
    await ledger.settle(
        submission_id,
        task_id=task_id,
        verdict="delivered" if task.state == "success" else "failed",
        billed_usd=billed(task, price_usd=price_usd),
        billed_credits=task.credits,
        reason=task.failure,
    )
