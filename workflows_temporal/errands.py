"""What a gate does on the side: words to videos, pauses. It does not begin anew before all of them are done."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError

from studio.contracts.gate import GateNotice

AT_ONCE = 50
"""Notices on their way at the same time: their answers come in one workflow task, which has two seconds."""


class Errands:
    """Coroutines nobody waits for, but for the end."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)

    @property
    def done(self) -> bool:
        """None of them is on its way."""
        return not self._running

    def send(self, errand: Coroutine[Any, Any, None]) -> None:
        """Do this meanwhile."""
        task = asyncio.create_task(errand)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def notify(self, workflow_id: str, notice: GateNotice) -> None:
        """Tell a video how the door is; one that is gone does not need to know."""
        self.send(self._notify(workflow_id, notice))

    async def _notify(self, workflow_id: str, notice: GateNotice) -> None:
        async with self._turns:
            with suppress(FailureError):
                await workflow.get_external_workflow_handle(workflow_id).signal("gate_notice", notice)
