"""Order recovery: accepted, delivered and unknown orders that no video watches have their clips fetched.

Not an activity and not part of any workflow: the videos that sent these orders are gone, and so may be the circuit
breaker and the limiter. Every process that has the provider's key asks the ledger now and then; the ledger hands each
order out once, and `LateClipWorkflow` runs once per order.
"""

import asyncio
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.service import RPCError

from activities.gatekeeping import start_recovery
from activities.kling_pace import KlingPace
from studio.contracts.take import LateOrder
from studio.errors import DatabaseUnavailable
from studio.store.unresolved import UnresolvedOrders

_log = structlog.get_logger()


class OrderRecovery:
    """Takes up orders without a video."""

    def __init__(self, orders: UnresolvedOrders, client: Client, *, pace: KlingPace, task_queue: str) -> None:
        self._orders = orders
        self._client = client
        self._pace = pace
        self._task_queue = task_queue

    async def recover(self) -> list[str]:
        """Take up what is due once; returns the ids of the orders."""
        due = await self._orders.hand_out(unwatched=self._pace.unwatched, undelivered=self._pace.undelivered)
        for submission_id in due:
            _log.warning("order.recovering", submission_id=submission_id)
            order = LateOrder(submission_id=submission_id, recovered=True)
            await start_recovery(self._client, order, task_queue=self._task_queue)
        return due

    async def keep_recovering(self, every: timedelta) -> None:
        """Recover until cancelled. What fails is tried again: an order that was handed out comes again by itself."""
        while True:
            try:
                await self.recover()
            except (DatabaseUnavailable, RPCError, RuntimeError) as error:
                _log.warning("orders.not_recovered", error=str(error))
            except Exception:
                _log.exception("orders.not_recovered")
            await asyncio.sleep(every.total_seconds())
