"""Watching the provider's account for a gate that closed because credits were missing."""

from decimal import Decimal

import structlog
from temporalio import activity

from activities.gatekeeping import Slots
from studio.contracts.gate import TopUpAwaited
from studio.errors import NotToppedUp, ProviderError
from studio.providers.kie import KieClient

_log = structlog.get_logger()


class BalanceActivities:
    """Asks for the balance, never for a clip. On the queue of those who have the key."""

    def __init__(self, kie: KieClient, slots: Slots) -> None:
        self._kie = kie
        self._slots = slots

    @activity.defn
    async def await_top_up(self, awaited: TopUpAwaited) -> None:
        """Look at the account; `NotToppedUp` asks Temporal for the next look. Waiting holds no worker.

        What counts is more than the least that was ever seen: the balance is told late, and orders that were on
        their way are still taken off. The gate hears of it by signal, so that it comes in order with whoever enters.
        """
        try:
            credits = await self._kie.credit()
        except ProviderError as error:
            raise NotToppedUp(f"The account cannot be looked at: {error}") from None
        if credits is None or not credits.is_finite():
            raise NotToppedUp("KIE.ai does not say how many credits the account has")
        least = _least(awaited)
        if least is None or credits < least:
            activity.heartbeat(str(credits))  # kept for the next look
        if least is None or credits <= max(least, Decimal(0)):
            raise NotToppedUp(f"KIE.ai has {credits} credits, not more than before")
        if not await self._slots.topped_up(awaited):
            raise NotToppedUp(f"KIE.ai has {credits} credits, but the gate cannot be told")
        _log.info("gate.topped_up", gate=awaited.gate, credits=str(credits), before=str(least))


def _least(awaited: TopUpAwaited) -> Decimal | None:
    seen = [Decimal(str(detail)) for detail in activity.info().heartbeat_details]
    return min(seen, default=awaited.credits)
