"""Tasks: what was ordered, how far each one is, and who ordered the same thing twice."""

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from simulators.kie.config import TaskOrder

State = Literal["waiting", "queuing", "generating", "success", "fail"]

WAITING_SHARE = 0.03
QUEUING_SHARE = 0.10
"""How much of a task's time passes before it is worked on."""


@dataclass
class Task:
    """One accepted createTask. Times are virtual epoch seconds, except `wall`."""

    task_id: str
    seq: int
    key: int
    body: dict[str, Any]
    seconds: int
    image_url: str
    price: float
    billed: float
    wall: float
    created: float
    due: float
    order: TaskOrder = field(default_factory=TaskOrder)
    finished: float | None = None
    success: bool = False
    refunded: float = 0.0
    fail_code: str | None = None
    fail_msg: str | None = None
    clip: str | None = None

    @property
    def model(self) -> str:
        return str(self.body["model"])

    @property
    def prompt(self) -> str:
        return str(self.body["input"].get("prompt", ""))

    @property
    def call_back_url(self) -> str | None:
        return self.body.get("callBackUrl") or None

    @property
    def cost(self) -> float:
        """Credits it cost in the end."""
        return round(self.billed - self.refunded, 6)

    def state(self, now: float) -> State:
        if self.finished is not None:
            return "success" if self.success else "fail"
        length = self.due - self.created if math.isfinite(self.due) else 60.0
        passed = now - self.created
        if passed < length * WAITING_SHARE:
            return "waiting"
        return "queuing" if passed < length * (WAITING_SHARE + QUEUING_SHARE) else "generating"

    def updated(self, now: float) -> float:
        """When its state last changed."""
        if self.finished is not None:
            return self.finished
        length = self.due - self.created if math.isfinite(self.due) else 60.0
        share = {"waiting": 0.0, "queuing": WAITING_SHARE}.get(self.state(now), WAITING_SHARE + QUEUING_SHARE)
        return self.created + length * share

    def to_json(self) -> dict[str, Any]:
        due = self.due if math.isfinite(self.due) else None
        return {**asdict(self), "due": due, "order": self.order.model_dump(mode="json", exclude_defaults=True)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Task":
        known = {entry.name for entry in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        due = math.inf if data["due"] is None else data["due"]
        return cls(**{**values, "due": due, "order": TaskOrder.model_validate(data["order"])})


class TaskBook:
    """All tasks by id, and how many run."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._tasks: dict[str, Task] = {}
        self._alike: dict[str, list[str]] = {}
        self.in_flight = 0
        self.max_in_flight = 0
        self.succeeded = 0
        self.failed = 0
        self.credits_billed = 0.0
        self.credits_refunded = 0.0

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._tasks.values())

    def get(self, task_id: str) -> Task | None:
        return self._tasks.get(task_id)

    def add(self, task: Task) -> None:
        self._tasks[task.task_id] = task
        self._alike.setdefault(_fingerprint(task), []).append(task.task_id)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.credits_billed += task.billed

    def finish(self, task: Task) -> None:
        """The task has just been given its end."""
        self.in_flight -= 1
        self.succeeded += task.success
        self.failed += not task.success
        self.credits_refunded += task.refunded

    @property
    def billed(self) -> int:
        return sum(1 for task in self if task.cost > 0)

    @property
    def duplicates(self) -> dict[str, list[str]]:
        """Fingerprint → task ids, where the same model and input were ordered more than once."""
        return {fingerprint: list(ids) for fingerprint, ids in self._alike.items() if len(ids) > 1}


def _fingerprint(task: Task) -> str:
    ordered = json.dumps([task.model, task.body["input"]], sort_keys=True)
    return hashlib.sha256(ordered.encode()).hexdigest()[:16]
