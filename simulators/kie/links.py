"""Where finished clips can be fetched, and until when."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass

from simulators.kie.core import Core
from simulators.kie.tasks import Task


@dataclass(frozen=True)
class Link:
    """A URL's last part. `short`: from download-url, for 20 minutes."""

    token: str
    task_id: str
    issued: float
    short: bool


class Links:
    """Result URLs and the short ones made from them."""

    def __init__(self, core: Core, base: Callable[[], str]) -> None:
        self._core = core
        self._base = base
        self._links: dict[str, Link] = {}
        self._of_task: dict[str, Link] = {}
        self._journal = core.journal

    def forget(self) -> None:
        self._links.clear()
        self._of_task.clear()

    def issue(self, task: Task, now: float, *, short: bool = False) -> str:
        told = f"{self._core.config.seed}:{task.task_id}:{len(self._links) if short else 'result'}"
        link = Link(hashlib.sha256(told.encode()).hexdigest()[:24], task.task_id, now, short)
        self.keep(link)
        return self.url(link)

    def keep(self, link: Link) -> None:
        self._links[link.token] = link
        if not link.short:
            self._of_task[link.task_id] = link
        self._journal.write("linked", **asdict(link))

    def url(self, link: Link) -> str:
        return f"{self._base()}/v/{link.token}.mp4"

    def of_task(self, task: Task) -> str | None:
        link = self._of_task.get(task.task_id)
        return self.url(link) if link else None

    def by_token(self, token: str) -> Link | None:
        return self._links.get(token)

    def by_url(self, url: str) -> Link | None:
        head, _, name = url.partition("/v/")
        return self._links.get(name.removesuffix(".mp4")) if head == self._base() else None

    def alive(self, link: Link, now: float) -> bool:
        config = self._core.config
        return now - link.issued < (config.link_lifetime if link.short else config.result_lifetime)

    def kept(self, link: Link, now: float) -> bool:
        """Is the file itself still there, whatever happened to its first URL?"""
        task = self._core.book.get(link.task_id)
        made = task.finished if task and task.finished is not None else link.issued
        return now - made < self._core.config.media_lifetime
