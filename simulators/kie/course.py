"""The course of a task, from accepted to its end: its time has to pass and its clip has to be drawn."""

import asyncio
import math
from collections.abc import Callable

from simulators.fetching import Unfetchable
from simulators.kie.callbacks import Caller
from simulators.kie.clips import ClipMaker
from simulators.kie.core import Core
from simulators.kie.images import Still, fetch_still
from simulators.kie.links import Links
from simulators.kie.tasks import Task

FAILURES = {
    "content_policy": ("SENSITIVE_WORD_ERROR", "Your request was flagged as prohibited content by the content policy."),
    "internal": ("500", "Internal Error, Please try again later."),
    "timeout": ("500", "The generation timed out upstream."),
    "code_only": ("SENSITIVE_WORD_ERROR", ""),
    "image": ("422", "Image fetch failed. Check access settings or use our File Upload API instead."),
}
"""Word in an order → failCode and failMsg. Any other word is itself the message, with code 500."""

SizeOf = Callable[[str], tuple[int, int] | None]
"""The size of a picture we host ourselves."""


class Course:
    """Drives every running task."""

    def __init__(self, core: Core, maker: ClipMaker, caller: Caller, links: Links, size_of: SizeOf) -> None:
        self._core = core
        self._maker = maker
        self._caller = caller
        self._links = links
        self._size_of = size_of
        self._drawn: dict[str, tuple[str, float]] = {}
        self._spoiled: dict[str, str] = {}
        self._ends: dict[str, asyncio.Future[None]] = {}

    def forget(self) -> None:
        self._drawn.clear()
        self._spoiled.clear()
        self._ends.clear()

    def begin(self, task: Task, still: Still | None = None) -> None:
        if not math.isfinite(task.due):
            return
        self._core.timers.at(task.due, lambda: self._come_to_an_end(task))
        if task.order.fail is None and not self._at_hand(task):
            self._core.errands.send(self._produce(task, still))

    async def ended(self, task: Task) -> None:
        """Come back when the task is terminal."""
        if task.finished is None:
            await self._ends.setdefault(task.task_id, asyncio.get_running_loop().create_future())

    # ── the clip ─────────────────────────────────────────────────────────

    def _at_hand(self, task: Task) -> bool:
        """Placeholders that exist already cost neither a thread nor a turn of the loop."""
        if self._core.config.fetching != "off" or self._core.config.clips == "rendered":
            return False
        path = self._maker.ready(
            self._maker.spec(task.prompt, task.seconds, task.order.clip, None, self._guessed_size(task))
        )
        if path is not None:
            self._drawn[task.task_id] = (path.name, task.created)
        return path is not None

    async def _produce(self, task: Task, still: Still | None) -> None:
        drawn = spoiled = None
        try:
            still = still or await self._still(task)
            size = (still.width, still.height) if still else self._guessed_size(task)
            spec = self._maker.spec(task.prompt, task.seconds, task.order.clip, still, size)
            drawn = (await self._maker.make(spec, still)).name
        except Unfetchable as problem:
            spoiled = str(problem)
        if self._core.book.get(task.task_id) is not task:
            return  # forgotten in the meantime
        now = self._core.now()
        if drawn is not None:
            # A placeholder stands for a clip that was ready in time, however long it took to draw.
            placeholder = self._core.config.clips == "placeholder"
            self._drawn[task.task_id] = (drawn, task.created if placeholder else now)
        else:
            self._spoiled[task.task_id] = spoiled or ""
        if now >= task.due:
            self._come_to_an_end(task)

    async def _still(self, task: Task) -> Still | None:
        """The task's still. With fetching off, a still that cannot be had is replaced by a card of ours."""
        config = self._core.config
        if not task.image_url or (config.fetching == "off" and config.clips == "placeholder"):
            return None
        try:
            return await fetch_still(
                self._core.session, task.image_url, limit=config.image_limit, seconds=config.fetch_timeout
            )
        except Unfetchable:
            if config.fetching == "off":
                return None
            raise

    def _guessed_size(self, task: Task) -> tuple[int, int]:
        return self._size_of(task.image_url) or self._core.config.default_size

    # ── the end ──────────────────────────────────────────────────────────

    def _come_to_an_end(self, task: Task) -> None:
        """Called when its time has passed and again when its clip is there; the later of the two ends it."""
        if task.finished is not None:
            return
        if task.order.fail is not None:
            code, message = FAILURES.get(task.order.fail, ("500", task.order.fail))
            self._fail(task, task.order.fail_code or code, message)
        elif task.task_id in self._spoiled:
            code, message = FAILURES["image"]
            self._fail(task, code, f"{message} ({self._spoiled.pop(task.task_id)})")
        elif task.task_id in self._drawn:
            task.success = True
            task.clip, at = self._drawn.pop(task.task_id)
            self._end(task, max(task.due, at))

    def _fail(self, task: Task, code: str, message: str) -> None:
        task.fail_code, task.fail_msg = code, message
        wanted = task.order.bill_failed
        billed = self._core.config.bill_failed if wanted is None else wanted
        task.refunded = 0.0 if billed else task.billed
        self._end(task, task.due)

    def _end(self, task: Task, moment: float) -> None:
        core = self._core
        task.finished = moment
        if task.refunded:
            core.account.refund(task.key, task.refunded, core.now())
        core.book.finish(task)
        core.journal.write("finished", **task.to_json())
        if task.success:
            self._links.issue(task, moment)
        self._caller.ended(task)
        if (waiting := self._ends.pop(task.task_id, None)) is not None and not waiting.done():
            waiting.set_result(None)
