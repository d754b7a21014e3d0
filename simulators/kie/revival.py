"""Going on after a kill: the journal is played back, and running tasks run on."""

import time

from simulators.kie.core import Core
from simulators.kie.ledger import Delivery
from simulators.kie.links import Link, Links
from simulators.kie.tasks import Task
from simulators.kie.uploads import Upload, Uploads
from simulators.refusals import Refusal


class Revival:
    """Plays one journal into the parts of a provider."""

    def __init__(self, core: Core, links: Links, uploads: Uploads) -> None:
        self._core = core
        self._links = links
        self._uploads = uploads
        self._called: set[str] = set()
        self._started: float | None = None
        self._speed = 1.0
        self._alive = (0.0, 0.0)
        """Real and virtual time at the last sign of life."""

    def play(self) -> None:
        for event in self._core.journal.read():
            getattr(self, f"_{event.pop('event')}")(**event)
        if self._started is not None:
            wall, now = self._alive
            self._core.clock.resume(self._started, now, max(0.0, time.time() - wall))

    @property
    def running(self) -> list[Task]:
        return [task for task in self._core.book if task.finished is None]

    @property
    def unannounced(self) -> list[Task]:
        """Ended, but killed before anybody was told."""
        ended = (task for task in self._core.book if task.finished is not None)
        return [task for task in ended if task.task_id not in self._called]

    def _opened(self, started: float, speed: float, wall: float, now: float) -> None:
        if self._started is None:
            self._started = started
        self._speed = speed
        self._alive = (wall, now)

    def _closed(self, wall: float) -> None:
        self._seen(wall)

    def _seen(self, wall: float) -> None:
        before, now = self._alive
        if wall > before:
            self._alive = (wall, now + (wall - before) * self._speed)

    def _advanced(self, seconds: float) -> None:
        wall, now = self._alive
        self._alive = (wall, now + seconds)

    def _accepted(self, **data: object) -> None:
        task = Task.from_json(data)
        self._seen(task.wall)
        self._core.book.add(task)
        self._core.account.charge(task.key, task.billed, task.created)

    def _finished(self, **data: object) -> None:
        ended = Task.from_json(data)
        task = self._core.book.get(ended.task_id)
        if task is None or ended.finished is None:
            return
        vars(task).update(vars(ended))
        if task.refunded:
            self._core.account.refund(task.key, task.refunded, ended.finished)
        self._core.book.finish(task)

    def _linked(self, token: str, task_id: str, issued: float, short: bool) -> None:
        self._links.keep(Link(token, task_id, issued, short))

    def _uploaded(self, **data: object) -> None:
        self._uploads.keep(Upload(**data))  # type: ignore[arg-type]  # a line the journal wrote from an Upload

    def _downloaded(self) -> None:
        self._core.ledger.note_download()

    def _polled(self, wall: float) -> None:
        self._seen(wall)
        self._core.ledger.note_poll(wall)

    def _refused(self, **data: object) -> None:
        self._core.ledger.keep_refusal(Refusal(**data))  # type: ignore[arg-type]  # as above

    def _varied(self, route: str, name: str) -> None:
        self._core.ledger.note_variant(route, name)

    def _called_back(self, **data: object) -> None:
        delivery = Delivery(**data)  # type: ignore[arg-type]  # as above
        self._called.add(delivery.task_id)
        self._core.ledger.keep_delivery(delivery)

    def _balanced(self, credits: float, at: float) -> None:
        self._core.account.set(credits, at)

    def _forgotten(self, at: float) -> None:
        core = self._core
        core.book.clear()
        core.ledger.forget()
        core.account.forget(at)
        self._links.forget()
        self._uploads.forget()
        self._called.clear()
