"""Waiting for a prompt on a ComfyUI server: behind others, at work, until its end."""

import asyncio
from contextlib import suppress
from datetime import timedelta

from activities._comfy_news import RenderNews
from activities._comfy_prompt import Prompt
from activities._comfy_rules import RenderRules
from activities._comfy_watch import Ear, Previews
from studio.errors import RenderInterrupted, RenderStuck, ServerBusy, ServerGone, StorageUnavailable
from studio.providers.comfyui_answers import ComfyJob

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.5
"""Seconds between two looks: short renders are found at once, long ones cost two small requests a second."""


STALLED_SHARE = 0.25
"""Share of the longest silence after which a render is shown as stalled."""

LONGEST_UNTOLD = timedelta(minutes=3)
"""The same, where a render may be silent for long: loading a large model takes as long."""


class Wait:
    """Somebody who waits for a prompt."""

    def __init__(self, prompt: Prompt, news: RenderNews, rules: RenderRules, previews: Previews | None) -> None:
        self._prompt = prompt
        self._comfy = prompt.server.client
        self._news = news
        self._rules = rules
        self._previews = previews

    async def until_done(self) -> ComfyJob | None:
        """Wait until the server is done with it; None when the server has lost it.

        Raises:
            ServerBusy: others' prompts came before it for too long, and another server is free.
            RenderStuck: it has not moved for too long.
            RenderInterrupted: somebody removed it from the queue.
            ServerGone: the server is away.
        """
        clock = asyncio.get_running_loop().time
        began, pause, was_pending = clock(), FIRST_PAUSE, False
        look = asyncio.Event()
        ear = Ear(self._prompt, self._news, self._previews, look)
        try:
            while True:
                job = await self._prompt.look()
                if job is None and was_pending and not self._prompt.was_away:
                    raise RenderInterrupted("Somebody removed the render from the ComfyUI server's queue")
                if job is None or job.finished:
                    return job
                await ear.listen(job)
                was_pending = job.state == "pending"
                if was_pending:
                    await self._in_line(timedelta(seconds=clock() - began), self._rules.longest_wait)
                else:
                    await self._at_work(ear.silence())
                await _until(look, pause)
                pause = min(pause * 1.3, LONGEST_PAUSE)
        finally:
            await ear.close()

    async def _in_line(self, waited: timedelta, longest: timedelta) -> None:
        with suppress(ServerGone):  # the next look waits for it
            self._news.tell(stage="waiting", ahead=(await self._comfy.queue()).ahead_of(self._prompt.id))
        if waited > longest and await self._another_is_free():
            await self._comfy.withdraw(self._prompt.id)
            if await self._prompt.look() is None:
                raise ServerBusy.waited(waited, ahead=self._news.state.ahead or 0)

    async def _another_is_free(self) -> bool:
        with suppress(StorageUnavailable):
            return any(not other.busy for other in await self._prompt.server.others(self._news.state.refused_by))
        return False

    async def _at_work(self, silence: timedelta) -> None:
        if silence > min(self._rules.longest_silence * STALLED_SHARE, LONGEST_UNTOLD):
            node = f" at {self._news.state.node}" if self._news.state.node else ""
            self._news.tell(
                stage="stalled", trouble=f"the server has told of no progress for {_minutes(silence)}{node}"
            )
        else:
            self._news.tell(stage="rendering", ahead=0)
        if silence > self._rules.longest_silence:
            await self._comfy.cancel(self._prompt.id)
            minutes = round(silence.total_seconds() / 60)
            node = self._news.state.node or "its start"
            raise RenderStuck(f"The render has not moved for {minutes} minutes at {node}")


def _minutes(time: timedelta) -> str:
    seconds = round(time.total_seconds())
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} minutes"


async def _until(look: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(look.wait(), seconds)
    look.clear()
