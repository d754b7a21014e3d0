"""How many orders are unresolved, and how many are orphaned: metrics and log lines.

Not an activity: an order is also lost because no worker is left that could do anything (`unresolved.LONGEST_SENDING`),
so every process that can lose one counts now and then what the ledger says, and all of them tell the same.
"""

import asyncio
from datetime import timedelta

import structlog
from temporalio.common import MetricMeter

from studio.errors import DatabaseUnavailable
from studio.store.desk import DeskStore
from studio.store.unresolved import UnresolvedOrders

_log = structlog.get_logger()


class LostOrders:
    """The gauges `longtake_lost_orders`, `longtake_lost_orders_oldest_seconds` and `longtake_orphaned_orders`."""

    def __init__(
        self, desk: DeskStore, orders: UnresolvedOrders, meter: MetricMeter, *, orphaned_after: timedelta
    ) -> None:
        """Create the gauges.

        Args:
            orphaned_after: an order that recovery has not taken up for so long counts as orphaned.
        """
        self._desk = desk
        self._orders = orders
        self._orphaned_after = orphaned_after
        self._open = meter.create_gauge("longtake_lost_orders", "Unresolved orders: a person has to look at them")
        self._oldest = meter.create_gauge_float(
            "longtake_lost_orders_oldest_seconds", "Age of the oldest of them; 0 when there is none", "s"
        )
        self._orphaned = meter.create_gauge(
            "longtake_orphaned_orders", "Paid orders in no video, no take, and not among the unresolved ones"
        )
        self._told: tuple[int, int] | None = None

    async def count(self) -> None:
        """Count once. The log says it when a number has changed, and at first."""
        lost = await self._desk.count()
        orphaned = await self._orders.orphaned(unwatched=self._orphaned_after)
        age = lost.oldest.total_seconds()
        self._open.set(lost.open)
        self._oldest.set(age)
        self._orphaned.set(len(orphaned))
        counts = (lost.open, len(orphaned))
        if counts != self._told:
            self._told = counts
            log = _log.warning if any(counts) else _log.info
            first = [order.submission_id for order in orphaned[:10]]
            log("orders.lost", open=lost.open, oldest_seconds=round(age), orphaned=len(orphaned), orphans=first)

    async def keep_counting(self, every: timedelta) -> None:
        """Count until cancelled. A figure is no reason for a worker to stop."""
        while True:
            try:
                await self.count()
            except DatabaseUnavailable as error:
                _log.warning("orders.not_counted", error=str(error))
            except Exception:
                _log.exception("orders.not_counted")
            await asyncio.sleep(every.total_seconds())
