"""While a gate is closed because credits are missing, somebody looks at the account."""

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.balance import BalanceActivities
from studio.contracts.gate import TopUpAwaited
from workflows_temporal.door import Door
from workflows_temporal.policies import top_up_looks


class TopUpWatch:
    """At most one activity that looks. What it finds it tells the gate by signal."""

    def __init__(self, door: Door, *, every_seconds: float) -> None:
        self._door = door
        self._looks = top_up_looks(timedelta(seconds=every_seconds))
        self._looking: asyncio.Task[None] | None = None

    def follow(self) -> None:
        """The door has moved: look for what would open it now, if that is a top-up."""
        self.stop()
        awaited = self._door.awaited(workflow.info().workflow_id)
        self._looking = asyncio.create_task(self._look(awaited)) if awaited else None

    def found(self) -> None:
        """What was looked for is there; the activity that said so ends by itself."""
        self._looking = None

    def stop(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()
        self._looking = None

    async def _look(self, awaited: TopUpAwaited) -> None:
        try:
            await workflow.execute_activity_method(BalanceActivities.await_top_up, awaited, **self._looks)
        except ActivityError:
            return  # called off, or it cannot be done: then only `resume` helps
