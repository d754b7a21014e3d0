"""KIE.ai as a whole: its parts put together, and the handles tests hold it by."""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from aiohttp import ClientSession, DummyCookieJar, web

from simulators.faults import Fault, Plan, Rule
from simulators.journal import Journal
from simulators.kie.account import Account
from simulators.kie.api import Api
from simulators.kie.callbacks import Caller
from simulators.kie.clips import ClipMaker
from simulators.kie.config import KieConfig, TaskOrder
from simulators.kie.core import Core
from simulators.kie.course import Course
from simulators.kie.envelope import Envelope
from simulators.kie.ledger import Ledger
from simulators.kie.links import Links
from simulators.kie.ordering import Ordering
from simulators.kie.results import Results
from simulators.kie.revival import Revival
from simulators.kie.tasks import TaskBook
from simulators.kie.uploads import Uploads
from simulators.kie.weather import KieWeather
from simulators.simulator import Simulator
from simulators.wire import PlainWords


class KieSimulator(Simulator[KieConfig]):
    """Three hosts: api, upload, files."""

    name: ClassVar[str] = "kie"

    def __init__(self, config: KieConfig | None = None) -> None:
        super().__init__(config or KieConfig())
        self._orders: Plan[TaskOrder] = Plan(self.config.seed, Rule[TaskOrder].model_validate, first_id=1001)
        journal = Journal(self.config.data / "journal.jsonl" if self.config.persist and self.config.data else None)
        self._journal = journal
        self._book = TaskBook()
        self.ledger = Ledger(self.clock, self.timers, journal, self._book)
        self.refusals = self.ledger.refused
        self._weather = KieWeather(self.config, self.ledger.note_variant)

    @property
    def upload_url(self) -> str:
        return self._sites["upload"].url

    @property
    def files_url(self) -> str:
        return self._sites["files"].url

    def order(self, match: str = "", *, count: int | None = None, nth: int = 1, **what: Any) -> int:
        """What becomes of the tasks whose createTask contains `match`; see `TaskOrder` for the words."""
        return self.add_rule(
            {"route": "task", "match": match, "script": [what], "repeat": True, "count": count, "nth": nth}
        )

    # ── putting together ─────────────────────────────────────────────────

    async def open(self) -> None:
        session = ClientSession(cookie_jar=DummyCookieJar())
        self._stack.push_async_callback(session.close)
        config = self.config
        self._core = core = Core(
            config=config,
            clock=self.clock,
            timers=self.timers,
            errands=self.errands,
            journal=self._journal,
            book=self._book,
            ledger=self.ledger,
            account=Account(config, self.clock.now()),
            orders=self._orders,
            weather=self._weather,
            session=session,
        )
        clips = _clips_folder(config)
        self._maker = ClipMaker(config, clips)
        self._links = Links(core, lambda: self.files_url)
        self.ledger.link_of = self._links.of_task
        self._caller = Caller(core, self._links)
        self._uploads = Uploads(core, Envelope(config, upload=True), self.folder / "uploads", lambda: self.upload_url)
        self._course = Course(core, self._maker, self._caller, self._links, self._uploads.size_of)
        envelope = Envelope(config)
        ordering = Ordering(core, envelope, self._course, self._caller)
        self._api = Api(core, envelope, ordering, self._caller, self._links)
        self._results = Results(core, self._links, clips)
        self._revival = Revival(core, self._links, self._uploads)
        self._revival.play()
        self._journal.open()
        clock = self.clock
        self._journal.write("opened", started=clock.started, speed=clock.speed, wall=time.time(), now=clock.now())
        if config.top_up and self._core.account.balance < config.credits:
            self.configured({"credits": config.credits})

    def applications(self) -> dict[str, tuple[int, web.Application]]:
        config, weather = self.config, self._weather
        uploads = self.desk(Envelope(config, upload=True), weather)
        return {
            "api": (config.port, self._api.application(self.desk(Envelope(config), weather))),
            "upload": (config.upload_port, self._uploads.application(uploads)),
            "files": (config.files_port, self._results.application(self.desk(PlainWords(), weather))),
        }

    async def opened(self) -> None:
        for task in self._revival.running:
            self._course.begin(task)
        for task in self._revival.unannounced:
            self._caller.ended(task)

    async def close(self) -> None:
        if hasattr(self, "_maker"):
            await self._maker.close()
        self._journal.write("closed", wall=time.time())
        self._journal.close()

    # ── what the admin door asks ─────────────────────────────────────────

    def arrived(self, route: str) -> None:
        super().arrived(route)
        if route == "recordInfo":
            self.ledger.note_poll()

    def refused(self, route: str, code: int | str) -> None:
        self.ledger.note_refusal(route, code)

    def add_rule(self, rule: Mapping[str, Any]) -> int:
        if rule.get("route") == "task":
            return self._orders.add(dict(rule))
        for outcome in Rule[Fault].model_validate(dict(rule)).script:
            if outcome.variant:
                self._weather.named(str(rule["route"]), outcome.variant)
        return super().add_rule(rule)

    def rules(self) -> list[dict[str, Any]]:
        return super().rules() + self._orders.listing()

    def clear_faults(self) -> None:
        super().clear_faults()
        self._orders.clear()

    def configured(self, changes: Mapping[str, Any]) -> None:
        if "credits" in changes:
            now = self.clock.now()
            self._core.account.set(self.config.credits, now)
            self._journal.write("balanced", credits=self.config.credits, at=now)

    def advance(self, seconds: float) -> float:
        self._journal.write("advanced", seconds=seconds)
        return super().advance(seconds)

    def forget(self) -> None:
        now = self.clock.now()
        self._book.clear()
        for part in (self.ledger, self._links, self._uploads, self._caller, self._course, self._api, self._weather):
            part.forget()
        self._core.account.forget(now)
        self._journal.write("forgotten", at=now)

    def counters(self) -> dict[str, Any]:
        return {**self.ledger.counters(), "balance": self._core.account.balance}

    def ledger_parts(self) -> dict[str, Callable[[], Any]]:
        return self.ledger.parts()


def _clips_folder(config: KieConfig) -> Path:
    """Where clips are kept. Without a place of our own: one for everybody, since clips never change."""
    shared = Path(tempfile.gettempdir()) / f"longtake-clips-{os.getuid()}"
    folder = config.cache or (config.data / "clips" if config.data else shared)
    folder.mkdir(parents=True, exist_ok=True)
    return folder
