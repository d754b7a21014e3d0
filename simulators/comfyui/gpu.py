"""The GPU: one prompt at a time, in the order of their numbers."""

import asyncio

from simulators.comfyui.core import Core
from simulators.comfyui.memory import Prompt
from simulators.comfyui.run import Run


class Gpu:
    """Works until it is stopped; what it was doing is then lost."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._run: Run | None = None
        self._task: asyncio.Task[None] | None = None

    async def work(self) -> None:
        self._task = asyncio.current_task()
        while True:
            prompt = await self._core.memory.take()
            self._run = Run(self._core, prompt)
            await self._run.go()
            self._run = None

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # ── being told to stop a prompt ──────────────────────────────────────

    def interrupt(self, prompt_id: str | None = None) -> bool:
        """The running prompt, or only if it is this one. True when somebody was asked to stop."""
        running = self._core.memory.running
        if running is None or self._run is None or prompt_id not in (None, running.prompt_id):
            return False
        self._core.ledger.ask_cancel(running.entry)
        self._run.interrupt()  # which may get lost: nobody is told
        return True

    def dequeue(self, prompt_id: str) -> bool:
        """One waiting prompt with this id."""
        prompt = self._core.memory.delete(prompt_id)
        if prompt is None:
            return False
        self._leave(prompt)
        return True

    def clear_queue(self) -> None:
        for prompt in self._core.memory.clear():
            self._leave(prompt)
        self._core.hub.status()

    def cancel(self, prompt_id: str) -> bool:
        return self.interrupt(prompt_id) or self.dequeue(prompt_id)

    def _leave(self, prompt: Prompt) -> None:
        self._core.ledger.ask_cancel(prompt.entry)
        self._core.ledger.end(prompt.entry, "deleted")
        self._core.hub.status()
