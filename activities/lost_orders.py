"""How many orders nobody knows the fate of: a metric and a log line.

Not an activity: an order is also lost because nobody is there to do anything (`DeskStore.LONGEST_SENDING`), so every
process that can lose one counts now and then what the ledger says, and all of them tell the same.
"""

import asyncio
from datetime import timedelta

import structlog
from temporalio.common import MetricMeter

from studio.errors import DatabaseUnavailable
from studio.store.desk import DeskStore

_log = structlog.get_logger()


class LostOrders:
    """The gauges `longtake_lost_orders` and `longtake_lost_orders_oldest_seconds`."""

    def __init__(self, desk: DeskStore, meter: MetricMeter) -> None:
        self._desk = desk
        self._open = meter.create_gauge("longtake_lost_orders", "Orders nobody knows the fate of")
        self._oldest = meter.create_gauge_float(
            "longtake_lost_orders_oldest_seconds", "Age of the oldest of them; 0 when there is none", "s"
        )
        self._told: int | None = None

    async def count(self) -> None:
        """Count once. The log says it when the number has changed, and at first."""
        lost = await self._desk.count()
        age = lost.oldest.total_seconds()
        self._open.set(lost.open)
        self._oldest.set(age)
        if lost.open != self._told:
            self._told = lost.open
            log = _log.warning if lost.open else _log.info
            log("orders.lost", open=lost.open, oldest_seconds=round(age))

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
