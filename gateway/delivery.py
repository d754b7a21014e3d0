"""Delivery of callbacks from the inbox: a signal to the video, or order recovery when no video waits.

Callers never wait for Temporal. While it is away callbacks stay in PostgreSQL; several gateways share the work.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from enum import StrEnum

import structlog
from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from gateway.damping import Damped
from studio.contracts.callback import CalledBack
from studio.contracts.take import LateOrder
from studio.errors import DatabaseUnavailable
from studio.store.callbacks import CallbackInbox, WaitingCallback
from workflows_temporal.addresses import LATE_CLIP_WORKFLOW, TaskQueue, late_workflow_id, video_workflow_id

_log = structlog.get_logger()

CALLED_BACK = "called_back"
"""The signal's name at every workflow that waits for a provider."""
BATCH = 16
"""Callbacks under way at once."""
ANSWER = timedelta(seconds=5)
"""How long Temporal may take for one answer, and the SDK to try again by itself."""
LEASE = timedelta(seconds=12)
"""Longer than both answers a callback may need: no other gateway takes it meanwhile."""
LOOK = timedelta(seconds=1)
"""Between two looks into an inbox in which nothing is due: another gateway may have stored something."""
PAUSE = timedelta(seconds=1)
"""Until a callback is tried again that Temporal did not answer, by a gateway that it answers."""
BACK_OFF = timedelta(seconds=4)
"""How long a gateway takes none after Temporal, or PostgreSQL, did not answer it: others go first."""
LONG_PAUSE = timedelta(minutes=5)
"""Until one is tried again that Temporal refused, or that cannot be sent: an operator has to act."""
SWEEP = timedelta(hours=1)
LAST = timedelta(seconds=1)
"""What is due when the gateway ends is given so long; the rest stays in the inbox."""

_REFUSALS = (
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.UNIMPLEMENTED,
)
"""Temporal has answered, and would answer the same again."""


class Handed(StrEnum):
    """What became of one try."""

    SIGNALLED = "signalled"
    LATE = "late"
    """No video waits: order recovery looks after the order."""
    UNANSWERED = "unanswered"
    REFUSED = "refused"

    @property
    def done(self) -> bool:
        """Whether whoever waits was told."""
        return self in (Handed.SIGNALLED, Handed.LATE)


class CallbackDelivery:
    """Delivers callbacks, each as soon as Temporal takes it."""

    def __init__(self, temporal: Client, inbox: CallbackInbox, *, answer: timedelta = ANSWER) -> None:
        self._temporal = temporal
        self._inbox = inbox
        self._answer = answer
        self._woken = asyncio.Event()
        self._delayed = Damped("callback.delayed")
        self._swept = float("-inf")
        self._unanswered = False

    def wake(self) -> None:
        """Something was put into the inbox."""
        self._woken.set()

    @asynccontextmanager
    async def delivering(self) -> AsyncIterator[None]:
        """Deliver in the background for as long as the block lasts."""
        working = asyncio.create_task(self._work())
        try:
            yield
        finally:
            working.cancel()
            await asyncio.wait([working])
            await self._last_try()

    async def deliver_due(self) -> int:
        """Try what is due once, a batch of it; returns how many there were.

        Raises:
            DatabaseUnavailable: the inbox cannot be read, or written.
        """
        due = await self._inbox.claim(BATCH, lease=LEASE)
        self._unanswered = False
        await asyncio.gather(*map(self._deliver, due))
        return len(due)

    async def hand_over(self, callback: CalledBack, *, channel: str, video_id: str) -> Handed:
        """Tell the video, or order recovery when there is none that waits."""
        workflow_id = video_workflow_id(channel, video_id)
        video = self._temporal.get_workflow_handle(workflow_id)
        try:
            async with asyncio.timeout(self._answer.total_seconds()):
                await video.signal(CALLED_BACK, callback)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return await self._recover(callback)
            return _verdict(error, workflow_id)
        except (TimeoutError, RuntimeError):  # RuntimeError: the SDK cannot connect to the server
            return Handed.UNANSWERED
        return Handed.SIGNALLED

    async def _last_try(self) -> None:
        try:
            async with asyncio.timeout(LAST.total_seconds()):
                await self.deliver_due()
        except (TimeoutError, DatabaseUnavailable):
            _log.info("inbox.left", reason="not everything was delivered: it stays in PostgreSQL")

    async def _recover(self, callback: CalledBack) -> Handed:
        """What was paid for becomes a take. Whether the callback is true is found out there."""
        late = LateOrder(submission_id=callback.submission_id, task_id=callback.task_id)
        workflow_id = late_workflow_id(callback.submission_id)
        try:
            async with asyncio.timeout(self._answer.total_seconds()):
                await self._temporal.start_workflow(
                    LATE_CLIP_WORKFLOW,
                    late,
                    id=workflow_id,
                    task_queue=TaskQueue.STUDIO,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY,
                )
        except WorkflowAlreadyStartedError:
            return Handed.LATE
        except RPCError as error:
            return _verdict(error, workflow_id)
        except (TimeoutError, RuntimeError):
            return Handed.UNANSWERED
        return Handed.LATE

    async def _work(self) -> None:
        unread = Damped("inbox.unavailable")
        while True:
            self._woken.clear()
            try:
                tried = await self.deliver_due()
                await self._sweep()
            except DatabaseUnavailable as error:
                unread.warning(reason=str(error))
                tried, self._unanswered = 0, True
            except Exception:
                _log.exception("inbox.failed")
                tried, self._unanswered = 0, True
            if self._unanswered:
                await asyncio.sleep(BACK_OFF.total_seconds())
            elif not tried:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK.total_seconds())

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._swept > SWEEP.total_seconds():
            self._swept = now
            await self._inbox.sweep()

    async def _deliver(self, waiting: WaitingCallback) -> None:
        callback = CalledBack(submission_id=waiting.submission_id, number=waiting.number, task_id=waiting.task_id)
        try:
            handed = await self.hand_over(callback, channel=waiting.channel, video_id=waiting.video_id)
        except Exception as error:  # one that cannot be sent holds up no other
            _log.exception("callback.unsendable", submission_id=waiting.submission_id)
            await self._inbox.put_off(waiting.id, type(error).__name__, pause=LONG_PAUSE)
            return
        if handed.done:
            await self._inbox.delivered(waiting.id, handed)
            _log.info("callback.delivered", submission_id=waiting.submission_id, to=str(handed), tries=waiting.tries)
            return
        self._unanswered |= handed is Handed.UNANSWERED
        await self._inbox.put_off(waiting.id, handed, pause=PAUSE if handed is Handed.UNANSWERED else LONG_PAUSE)
        self._delayed.warning(reason=str(handed), submission_id=waiting.submission_id)


def _verdict(error: RPCError, workflow_id: str) -> Handed:
    if error.status not in _REFUSALS:
        return Handed.UNANSWERED
    _log.warning("callback.refused", workflow_id=workflow_id, reason=error.message)
    return Handed.REFUSED
