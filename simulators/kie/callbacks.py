"""Callbacks: when a task's end is announced, how often, and how wrongly."""

import asyncio
import json

import aiohttp

from simulators.kie import records
from simulators.kie.config import Callbacks
from simulators.kie.core import Core
from simulators.kie.links import Links
from simulators.kie.tasks import Task


class Caller:
    """Posts to callBackUrl what the settings of a task say."""

    def __init__(self, core: Core, links: Links) -> None:
        self._core = core
        self._links = links
        self._unpolled: set[str] = set()
        self._held: list[Task] = []
        self._turn = asyncio.Lock()

    def forget(self) -> None:
        self._unpolled.clear()
        self._held.clear()

    def settings(self, task: Task) -> Callbacks:
        usual = self._core.config.callbacks
        return (
            Callbacks.model_validate({**usual.model_dump(), **task.order.callbacks}) if task.order.callbacks else usual
        )

    def ended(self, task: Task) -> None:
        """A task has come to its end."""
        settings = self.settings(task)
        if task.call_back_url is None or settings.mode == "never" or settings.before_response:
            return
        if settings.after_polled:
            self._unpolled.add(task.task_id)
        else:
            self._plan(task, settings)

    def polled(self, task: Task) -> None:
        """A client has been told the end of this task."""
        if task.task_id in self._unpolled:
            self._unpolled.discard(task.task_id)
            self._plan(task, self.settings(task))

    async def announce(self, task: Task) -> None:
        """Post now, and come back when the receiver has answered or had its time."""
        settings = self.settings(task)
        if task.call_back_url is not None and settings.mode != "never":
            for _ in range(settings.copies):
                await self._deliver(task, settings)

    def _plan(self, task: Task, settings: Callbacks) -> None:
        if settings.delay:
            self._core.timers.at(self._core.now() + settings.delay, lambda: self._due(task, settings.hold))
        else:
            self._due(task, settings.hold)

    def _due(self, task: Task, hold: int) -> None:
        self._held.append(task)
        if len(self._held) >= hold or self._core.book.in_flight == 0:
            batch, self._held = self._held[::-1], []
            self._core.errands.send(self._announce_all(batch) if hold > 1 else self.announce(task))

    async def _announce_all(self, batch: list[Task]) -> None:
        async with self._turn:  # an order that is meant to be wrong has to be wrong every time
            for task in batch:
                await self.announce(task)

    async def _deliver(self, task: Task, settings: Callbacks) -> None:
        for attempt in range(settings.retries + 1):
            if attempt:
                await asyncio.sleep(self._core.clock.real(settings.retry_wait))
            status = await self._post(task, settings)
            self._core.ledger.note_delivery(task, status)
            if 200 <= status < 300:
                return

    async def _post(self, task: Task, settings: Callbacks) -> int:
        now = self._core.now()
        body = records.callback(task, now, settings, self._links.of_task(task), self._core.account.balance)
        posted = self._core.weather.callback(json.dumps(body, ensure_ascii=False).encode())
        headers = {"Content-Type": posted.content_type, **records.signed(task.task_id, now, settings)}
        return await self._send(task.call_back_url or "", posted.body, headers, settings.timeout)

    async def _send(self, url: str, data: bytes, headers: dict[str, str], seconds: float) -> int:
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._core.session.post(url, data=data, headers=headers, timeout=timeout) as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return 0
