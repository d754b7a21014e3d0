"""The ledger: what was accepted, billed, refused, polled, fetched. What a real provider would never show."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from simulators.clock import Clock, Timers
from simulators.journal import Journal
from simulators.kie.tasks import Task, TaskBook
from simulators.refusals import Refusal
from simulators.windows import Peak


@dataclass(frozen=True)
class Delivery:
    """One attempt to call back; status 0 means that nobody answered."""

    task_id: str
    url: str
    status: int
    wall: float
    virtual: float


@dataclass(frozen=True)
class LedgerEntry:
    """A task as the ledger tells it."""

    task_id: str
    seq: int
    wall: float
    virtual: float
    model: str
    price: float
    seconds: int
    call_back_url: str | None
    prompt: str
    image_url: str
    key: int
    state: str
    billed: float
    refunded: float
    finished: float | None
    fail_code: str | None
    fail_msg: str | None
    clip: str
    result_url: str | None


class Ledger:
    """Reads are up to date: whatever is due has happened before a figure is given."""

    def __init__(self, clock: Clock, timers: Timers, journal: Journal, book: TaskBook) -> None:
        self._clock = clock
        self._timers = timers
        self._journal = journal
        self._book = book
        self._polls = Peak()
        self.refused: list[Refusal] = []
        self._deliveries: list[Delivery] = []
        self._variants: Counter[tuple[str, str]] = Counter()
        self.uploads = 0
        self.downloads = 0
        self.link_of: Callable[[Task], str | None] = lambda task: None

    def forget(self) -> None:
        self._polls = Peak()
        self.refused.clear()
        self._deliveries.clear()
        self._variants.clear()
        self.uploads = self.downloads = 0

    # ── what happened ────────────────────────────────────────────────────

    def note_poll(self, wall: float | None = None) -> None:
        at = time.time() if wall is None else wall
        self._polls.count(at)
        self._journal.write("polled", wall=at)

    def note_refusal(self, route: str, code: int | str) -> None:
        self.keep_refusal(Refusal(route, code, time.time(), self._clock.now()))

    def keep_refusal(self, refusal: Refusal) -> None:
        self.refused.append(refusal)
        self._journal.write("refused", **asdict(refusal))

    def note_delivery(self, task: Task, status: int) -> None:
        self.keep_delivery(Delivery(task.task_id, task.call_back_url or "", status, time.time(), self._clock.now()))

    def keep_delivery(self, delivery: Delivery) -> None:
        self._deliveries.append(delivery)
        self._journal.write("called_back", **asdict(delivery))

    def note_upload(self) -> None:
        self.uploads += 1

    def note_download(self) -> None:
        self.downloads += 1
        self._journal.write("downloaded")

    def note_variant(self, route: str, name: str) -> None:
        """An answer, or a task, was not as usual."""
        self._variants[route, name] += 1
        self._journal.write("varied", route=route, name=name)

    # ── what it comes to ─────────────────────────────────────────────────

    @property
    def book(self) -> TaskBook:
        self._timers.catch_up()
        return self._book

    @property
    def accepted(self) -> int:
        return len(self.book)

    @property
    def billed(self) -> int:
        return self.book.billed

    @property
    def in_flight(self) -> int:
        return self.book.in_flight

    @property
    def max_in_flight(self) -> int:
        return self.book.max_in_flight

    @property
    def polls(self) -> int:
        return self._polls.total

    @property
    def polls_per_second_max(self) -> int:
        return self._polls.highest

    @property
    def duplicates(self) -> dict[str, list[str]]:
        return self.book.duplicates

    @property
    def refused_by(self) -> Counter[tuple[str, int | str]]:
        """How often each route refused with each code."""
        return Counter((refusal.route, refusal.code) for refusal in self.refused)

    @property
    def variants(self) -> dict[str, dict[str, int]]:
        """Route → variant → how often it happened."""
        told: dict[str, dict[str, int]] = {}
        for (route, name), count in sorted(self._variants.items()):
            told.setdefault(route, {})[name] = count
        return told

    @property
    def callbacks(self) -> list[Delivery]:
        return list(self._deliveries)

    @property
    def tasks(self) -> list[LedgerEntry]:
        now = self._clock.now()
        return [self._entry(task, now) for task in self.book]

    def _entry(self, task: Task, now: float) -> LedgerEntry:
        return LedgerEntry(
            task_id=task.task_id,
            seq=task.seq,
            wall=task.wall,
            virtual=task.created,
            model=task.model,
            price=task.price,
            seconds=task.seconds,
            call_back_url=task.call_back_url,
            prompt=task.prompt,
            image_url=task.image_url,
            key=task.key,
            state=task.state(now),
            billed=task.billed,
            refunded=task.refunded,
            finished=task.finished,
            fail_code=task.fail_code,
            fail_msg=task.fail_msg,
            clip=task.order.clip,
            result_url=self.link_of(task),
        )

    def counters(self) -> dict[str, Any]:
        book = self.book
        return {
            "accepted": len(book),
            "billed": book.billed,
            "in_flight": book.in_flight,
            "max_in_flight": book.max_in_flight,
            "succeeded": book.succeeded,
            "failed": book.failed,
            "polls": self.polls,
            "polls_per_second_max": self.polls_per_second_max,
            "uploads": self.uploads,
            "downloads": self.downloads,
            "callbacks": len(self._deliveries),
            "variants": self._variants.total(),
            "credits_billed": round(book.credits_billed, 6),
            "credits_refunded": round(book.credits_refunded, 6),
        }

    def parts(self) -> dict[str, Callable[[], Any]]:
        return {
            "tasks": lambda: [asdict(entry) for entry in self.tasks],
            "callbacks": lambda: [asdict(delivery) for delivery in self._deliveries],
            "duplicates": lambda: self.duplicates,
            "variants": lambda: self.variants,
        }
