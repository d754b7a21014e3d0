"""Signals to films, handed over in the background: who calls us does not wait for Temporal."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from studio.contracts.callback import CalledBack
from studio.contracts.take import LateOrder
from workflows_temporal.addresses import TaskQueue, late_workflow_id
from workflows_temporal.late import LateClipWorkflow

_log = structlog.get_logger()

CALLED_BACK = "called_back"
"""The signal's name at every workflow that waits for a provider."""
LIMIT = 1_000
"""Most signals that wait: the clips of two of the longest films."""
PATIENCE = timedelta(minutes=5)
"""How long a signal waits for a Temporal that does not answer. By then the film has looked a hundred times itself."""
HANDS = 4
"""Signals under way at once: a film that cannot take one at the moment does not hold up the others."""
ANSWER = timedelta(seconds=5)
"""How long Temporal may take for one answer, and the SDK to try again by itself."""
PAUSE = timedelta(seconds=1)
"""Between two tries of one signal."""
LAST = timedelta(seconds=1)
"""What is still waiting when the gateway ends is given so long."""

_REFUSALS = (
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.UNIMPLEMENTED,
)
"""Temporal has answered, and would say the same again."""


class TooManyWaiting(Exception):
    """The queue is full: Temporal has not answered for a while."""


@dataclass(frozen=True)
class _Signal:
    workflow_id: str
    callback: CalledBack
    until: float


class SignalQueue:
    """Hands callbacks over to their films, each as soon as Temporal takes it."""

    def __init__(
        self, temporal: Client, *, limit: int = LIMIT, patience: timedelta = PATIENCE, answer: timedelta = ANSWER
    ) -> None:
        self._temporal = temporal
        self._patience = patience
        self._answer = answer
        self._waiting: asyncio.Queue[_Signal] = asyncio.Queue(limit)
        self._open = 0

    def put(self, workflow_id: str, callback: CalledBack) -> None:
        """Take a callback for this workflow; returns at once.

        Raises:
            TooManyWaiting: there is no room for it.
        """
        try:
            until = time.monotonic() + self._patience.total_seconds()
            self._waiting.put_nowait(_Signal(workflow_id, callback, until))
        except asyncio.QueueFull:
            raise TooManyWaiting(f"{self._open} callbacks wait for Temporal already") from None
        self._open += 1

    async def emptied(self) -> None:
        """Wait until every callback that was taken is handed over or given up."""
        await self._waiting.join()

    @asynccontextmanager
    async def handing_over(self) -> AsyncIterator[None]:
        """Work in the background for as long as the block lasts."""
        hands = [asyncio.create_task(self._work()) for _ in range(HANDS)]
        try:
            yield
            await self._last_tries()
        finally:
            for hand in hands:
                hand.cancel()
            await asyncio.gather(*hands, return_exceptions=True)

    async def _last_tries(self) -> None:
        try:
            await asyncio.wait_for(self.emptied(), LAST.total_seconds())
        except TimeoutError:
            _log.warning("callbacks.left_behind", waiting=self._open)

    async def _work(self) -> None:
        while True:
            signal = await self._waiting.get()
            try:
                await self._see_through(signal)
            except Exception:
                _log.exception("callback.lost", workflow_id=signal.workflow_id)
            finally:
                self._open -= 1
                self._waiting.task_done()

    async def _see_through(self, signal: _Signal) -> None:
        while time.monotonic() < signal.until:
            if await self._handed_over(signal):
                return
            _log.info("callback.delayed", workflow_id=signal.workflow_id, reason="Temporal does not answer")
            await asyncio.sleep(PAUSE.total_seconds())
        _log.warning("callback.dropped", workflow_id=signal.workflow_id, reason="Temporal did not answer in time")

    async def _handed_over(self, signal: _Signal) -> bool:
        """Is this one done with, in one way or another?"""
        film = self._temporal.get_workflow_handle(signal.workflow_id)
        try:
            async with asyncio.timeout(self._answer.total_seconds()):
                await film.signal(CALLED_BACK, signal.callback)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                _log.info("callback.stale", workflow_id=signal.workflow_id, reason=error.message)
                return await self._looked_after(signal.callback)
            if error.status in _REFUSALS:
                _log.warning("callback.refused", workflow_id=signal.workflow_id, reason=error.message)
                return True
            return False
        except (TimeoutError, RuntimeError):  # the SDK says a server it cannot connect to with RuntimeError
            return False
        return True

    async def _looked_after(self, callback: CalledBack) -> bool:
        """No film waits: what was paid for becomes a take. Whether the callback is true is found out there."""
        late = LateOrder(submission_id=callback.submission_id, task_id=callback.task_id)
        try:
            async with asyncio.timeout(self._answer.total_seconds()):
                await self._temporal.start_workflow(
                    LateClipWorkflow.run,
                    late,
                    id=late_workflow_id(callback.submission_id),
                    task_queue=TaskQueue.STUDIO,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                )
        except WorkflowAlreadyStartedError:
            return True
        except RPCError as error:
            return error.status in _REFUSALS
        except (TimeoutError, RuntimeError):
            return False
        return True
