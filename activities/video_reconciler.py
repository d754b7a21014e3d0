"""The reconciler of videos: what ended without our code running reaches PostgreSQL.

A termination, a timeout, a deletion, a request that could not even be read, a reset: in none of these does a workflow
run that could write its row. So one process of those that serve workflows compares rows with Temporal, a bounded page
at a time: videos whose row says that they have not ended, workflows that closed without a result, and workflows that
run although their row says that they have ended.
"""

import asyncio
from datetime import timedelta
from typing import Protocol

import structlog
from temporalio.service import RPCError

from studio.contracts.execution import Execution
from studio.contracts.video import VideoResult, VideoStatus
from studio.errors import DatabaseUnavailable
from studio.store.video_endings import Compared, VideoEndings

_log = structlog.get_logger()

LEASE = "videos.reconcile"
CHECKED_EVERY = timedelta(seconds=20)
"""A row is compared again after this time, if it is its turn."""
ROWS, LISTED = 200, 500
"""Most rows that one pass compares, and most workflows that it lists of each kind."""
LOOKS_AT_ONCE = 8


class Executions(Protocol):
    """Where runs are looked at: `workflows_temporal.executions`."""

    async def find(self, workflow_id: str) -> Execution | None:
        """The newest run."""

    async def result(self, workflow_id: str) -> VideoResult | None:
        """What it returned."""

    async def closed(self, *, limit: int) -> dict[str, int]:
        """Those that closed without a result, and when their runs began (ms)."""

    async def running(self, *, limit: int) -> list[str]:
        """Those that run."""


class VideoReconciler:
    """Compares rows with workflows."""

    def __init__(self, endings: VideoEndings, executions: Executions) -> None:
        self._endings = endings
        self._executions = executions

    async def reconcile(self) -> list[str]:
        """Compare once; returns the ids of the workflows whose rows were changed."""
        due = {row.workflow_id: row for row in await self._endings.hand_out(every=CHECKED_EVERY, limit=ROWS)}
        running = await self._endings.rows(await self._executions.running(limit=LISTED))
        due |= {workflow_id: row for workflow_id, row in running.items() if row.status.ended}
        closed = await self._executions.closed(limit=LISTED)
        known = await self._endings.rows(list(closed))
        todo = {one: known.get(one) for one, began in closed.items() if _is_news(known.get(one), began)} | due
        turns = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def compare(workflow_id: str, row: Compared | None) -> bool:
            async with turns:
                return await self._compare(workflow_id, row)

        changed = await asyncio.gather(*(compare(workflow_id, row) for workflow_id, row in todo.items()))
        return [workflow_id for workflow_id, is_new in zip(todo, changed, strict=True) if is_new]

    async def keep_reconciling(self, every: timedelta) -> None:
        """Compare until cancelled, in one process at a time. What fails is tried again."""
        while True:
            try:
                if await self._endings.lease(LEASE, every):
                    await self.reconcile()
            except (DatabaseUnavailable, RPCError, RuntimeError) as error:
                _log.warning("videos.not_reconciled", error=str(error))
            except Exception:
                _log.exception("videos.not_reconciled")
            await asyncio.sleep(every.total_seconds())

    async def _compare(self, workflow_id: str, row: Compared | None) -> bool:
        execution = await self._executions.find(workflow_id)
        changed = await self._endings.write(execution, row, self._executions.result)
        if changed:
            _log.warning(
                "video.reconciled",
                workflow_id=workflow_id,
                was=row.status if row else None,
                status=execution.status if execution else VideoStatus.GONE,
                message=execution.message if execution else "",
            )
        return changed


def _is_news(row: Compared | None, began: int) -> bool:
    """Of a run that closed without a result: does no row say so, or one of a run before?"""
    return row is None or not row.status.ended or row.revision < began
