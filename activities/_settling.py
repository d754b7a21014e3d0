"""Closing the books on an order: what the provider delivered, what it billed, and whether that can be believed."""

import asyncio
from dataclasses import dataclass
from decimal import Decimal

import structlog

from studio.providers.kie import KieClient, KieTask
from studio.providers.kie_models import CREDIT_USD
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()

LONGEST_LOOK_AT_BALANCE = 3.0
"""Seconds an order waits for the account's balance."""
MOST_TIMES_THE_PRICE = 10
"""A bill above so many list prices is a slip in the answer, not a price."""
MOST_CREDITS = Decimal(1_000_000_000)
_PLACES = Decimal("0.000001")


@dataclass(frozen=True)
class ClipBill:
    """What a finished task cost."""

    usd: Decimal
    credits: Decimal | None
    """As the provider says; None: it says nothing, or nothing that can be believed."""
    note: str = ""
    """What it said instead of a believable amount."""


def bill_of(task: KieTask, *, price_usd: Decimal) -> ClipBill:
    """Read the bill of a finished task. KIE.ai says it in `creditsConsumed`.

    Where that says nothing, or no finite amount from 0 to ten list prices, a delivered clip costs its list price and a
    failed one nothing, which is how its callbacks count. Float noise is rounded away.
    """
    assumed = price_usd if task.state == "success" else Decimal(0)
    if task.credits is None:
        odd = task.credits_unreadable
        return ClipBill(assumed, None, f"the bill cannot be read: {odd}" if odd else "")
    if not task.credits.is_finite() or not 0 <= task.credits * CREDIT_USD <= MOST_TIMES_THE_PRICE * price_usd:
        return ClipBill(assumed, None, f"the bill cannot be read: {task.credits} credits")
    credits = task.credits.quantize(_PLACES)
    return ClipBill((credits * CREDIT_USD).quantize(_PLACES), credits)


async def balance_of(kie: KieClient) -> Decimal | None:
    """The account's balance when it is told soon: evidence only, so it never fails or delays a paid step."""
    try:
        async with asyncio.timeout(LONGEST_LOOK_AT_BALANCE):
            credits = await kie.credit()
    except Exception as error:
        _log.debug("balance.unread", error_type=type(error).__name__)
        return None
    return credits if credits is not None and credits.is_finite() and abs(credits) < MOST_CREDITS else None


async def settle(
    ledger: SubmissionLedger, kie: KieClient, submission_id: str, task_id: str, task: KieTask, *, price_usd: Decimal
) -> None:
    """Write down how an order ended. Writing it again changes nothing.

    A delivered clip that is billed below its list price has the balance noted with it, which confirms the bill or not.
    """
    bill = bill_of(task, price_usd=price_usd)
    doubtful = task.state == "success" and bill.usd < price_usd
    await ledger.settle(
        submission_id,
        task_id=task_id,
        verdict="delivered" if task.state == "success" else "failed",
        billed_usd=bill.usd,
        billed_credits=bill.credits,
        reason=". ".join(text for text in (task.failure, bill.note) if text),
        credits=await balance_of(kie) if doubtful else None,
    )
