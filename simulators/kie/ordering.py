"""createTask: everything that can be said against an order, and the moment it is accepted."""

import math
import random
from typing import Any

from simulators.desk import Call
from simulators.fetching import Unfetchable
from simulators.kie.callbacks import Caller
from simulators.kie.catalogue import MODELS, Model
from simulators.kie.config import TaskOrder
from simulators.kie.core import Core
from simulators.kie.course import Course
from simulators.kie.envelope import Envelope
from simulators.kie.images import Still, fetch_still
from simulators.kie.tasks import Task
from simulators.windows import SlidingWindow
from simulators.wire import Answer


class Ordering:
    """From a request to an accepted, charged task."""

    def __init__(self, core: Core, envelope: Envelope, course: Course, caller: Caller) -> None:
        self._core = core
        self._say = envelope
        self._course = course
        self._caller = caller
        self._window = SlidingWindow()

    def forget(self) -> None:
        self._window = SlidingWindow()

    async def take(self, call: Call, key: int) -> Answer:
        core, config = self._core, self._core.config
        if not self._window.admit(core.now(), config.rate_limit, config.rate_window):
            return self._say.refuse(429)
        body = call.json_object()
        if body is None:
            return self._say.refuse(400, "The request body is not a JSON object")
        if refusal := self._refusal(body):
            return refusal
        model = MODELS[body["model"]]
        still: Still | None = None
        if config.fetching == "at_create" and (url := model.image_url(body["input"])):
            try:
                still = await fetch_still(core.session, url, limit=config.image_limit, seconds=config.fetch_timeout)
            except Unfetchable as problem:
                return self._say.refuse(config.image_error_code, f"image fetch failed: {problem}")
        order = core.orders.draw("task", call.text) or core.weather.task() or TaskOrder()
        price = model.price(body["input"], model.seconds(body["input"]))
        billed = price if order.credits is None else order.credits
        if (code := core.account.refusal(key, billed)) is not None:
            return self._say.refuse(code)
        task = self._accept(body, key, order, price, billed)
        self._course.begin(task, still)
        await self._end_at_once(task)
        return self._say.ok({"taskId": task.task_id})

    def _refusal(self, body: dict[str, Any]) -> Answer | None:
        config = self._core.config
        name, given, url = body.get("model"), body.get("input"), body.get("callBackUrl")
        if not isinstance(name, str) or name not in MODELS:
            return self._say.refuse(422, f"The model name you specified is not supported: {name}")
        if name in config.disabled_models:
            return self._say.refuse(505)
        wrong = (
            "input must be an object"
            if not isinstance(given, dict)
            else "callBackUrl must be a URL string"
            if url is not None and not (isinstance(url, str) and (url == "" or url.startswith("http")))
            else MODELS[name].wrong(given, config.unknown_input)
        )
        return self._say.refuse(500 if config.validation_as_500 else 422, wrong) if wrong else None

    def _accept(self, body: dict[str, Any], key: int, order: TaskOrder, price: float, billed: float) -> Task:
        core = self._core
        now = core.now()
        seq = len(core.book) + 1
        dice = core.dice(f"task:{seq}")
        model: Model = MODELS[body["model"]]
        task = Task(
            task_id=_task_id(core.config.task_id_style, body["model"], now, dice),
            seq=seq,
            key=key,
            body=body,
            seconds=model.seconds(body["input"]),
            image_url=model.image_url(body["input"]),
            price=price,
            billed=billed,
            wall=core.wall(),
            created=now,
            due=now + self._length(order, dice),
            order=order,
        )
        if self._caller.settings(task).before_response and math.isfinite(task.due):
            task.due = now
        core.book.add(task)
        core.account.charge(key, billed, now)
        core.journal.write("accepted", **task.to_json())
        return task

    def _length(self, order: TaskOrder, dice: random.Random) -> float:
        """Virtual seconds from accepted to done."""
        config = self._core.config
        sampled = dice.uniform(*config.duration)
        chance = dice.random()
        stuck = chance < config.stuck if order.stuck is None else order.stuck
        return math.inf if stuck else sampled if order.duration is None else order.duration

    async def _end_at_once(self, task: Task) -> None:
        """For the order that ends, and calls back, before its own createTask has been answered."""
        if self._caller.settings(task).before_response and math.isfinite(task.due):
            self._core.timers.catch_up()
            await self._course.ended(task)
            await self._caller.announce(task)


def _task_id(style: str, model: str, now: float, dice: random.Random) -> str:
    match style:
        case "digits":
            return f"task_{dice.randrange(10**9, 10**10)}"
        case "model_ms":
            return f"task_{model.replace('/', '-')}_{round(now * 1000)}{dice.randrange(1000):03d}"
    return f"{dice.getrandbits(128):032x}"
