"""What all simulators have in common: ports, clock, faults, live configuration, the admin door."""

import asyncio
import contextlib
import logging
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from simulators import admin
from simulators.clock import Clock, Timers
from simulators.desk import Desk, Dialect, Watch
from simulators.faults import Fault, Plan, Rule
from simulators.refusals import Refusal
from simulators.sites import Site
from simulators.variants import Varying

log = logging.getLogger("simulators")


class SimulatorConfig(BaseModel):
    """Where a simulator lives and how fast its time passes."""

    model_config = ConfigDict(extra="forbid")
    start_only: ClassVar[frozenset[str]] = frozenset({"host", "port", "admin_port", "speed", "seed", "data"})

    host: str = "127.0.0.1"
    port: int = 0
    admin_port: int = 0
    speed: float = Field(default=1.0, gt=0)
    seed: int = 0
    data: Path | None = None


Config = TypeVar("Config", bound=SimulatorConfig)


class Errands:
    """Work nobody waits for. A failure in it is a fault of the simulator and is not kept quiet."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()
        self.problems: list[str] = []

    def send(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(errand)
        self._running.add(task)
        task.add_done_callback(self._done)

    def cancel(self) -> list[asyncio.Task[None]]:
        running = list(self._running)
        for task in running:
            task.cancel()
        return running

    async def stop(self) -> None:
        await asyncio.gather(*self.cancel(), return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.note(error)

    def note(self, error: BaseException) -> None:
        """Something in the simulator itself is broken."""
        self.problems.append(repr(error))
        log.error("simulator.broken", exc_info=error)


class Simulator(ABC, Generic[Config]):
    """One simulated service: `async with KieSimulator(KieConfig()) as kie`."""

    name: ClassVar[str]

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = Clock(config.speed)
        self.timers = Timers(self.clock)
        self.errands = Errands()
        self._recoveries = Errands()
        self._faults: Plan[Fault] = Plan(config.seed, Rule[Fault].model_validate)
        self._desks: list[Desk] = []
        self._stack = contextlib.AsyncExitStack()
        self._sites: dict[str, Site] = {}
        self.folder = Path()
        self.refusals: list[Refusal] = []

    @abstractmethod
    def applications(self) -> dict[str, tuple[int, web.Application]]:
        """Host name → port and application."""

    @abstractmethod
    def counters(self) -> dict[str, Any]: ...

    @abstractmethod
    def ledger_parts(self) -> dict[str, Callable[[], Any]]:
        """What the ledger holds beside counters and refusals."""

    @abstractmethod
    def forget(self) -> None:
        """Back to the state of the first minute."""

    async def open(self) -> None:
        """Called before the ports listen."""

    async def opened(self) -> None:
        """Called when all ports listen."""

    async def close(self) -> None:
        """Called when no port listens any more."""

    def configured(self, changes: Mapping[str, Any]) -> None:
        """Called after live configuration changed."""

    def deeds(self) -> dict[str, admin.Deed]:
        """Further admin routes: name → what a POST to it does."""
        return {}

    def desk(self, dialect: Dialect, varying: Varying | None = None) -> Desk:
        desk = Desk(self._faults, dialect, Watch(self.arrived, self.refused, self.errands.note), varying)
        self._desks.append(desk)
        return desk

    def arrived(self, route: str) -> None:
        self.timers.catch_up()

    def refused(self, route: str, code: int | str) -> None:
        self.refusals.append(Refusal(route, code, time.time(), self.clock.now()))

    async def __aenter__(self) -> Self:
        try:
            self.folder = self._stack.enter_context(_folder(self.config.data))
            self._stack.push_async_callback(self.close)
            await self.open()
            self._stack.push_async_callback(self.errands.stop)  # before what they work with is closed
            self._stack.push_async_callback(self._recoveries.stop)
            self._stack.callback(self.timers.clear)
            hosts = {**self.applications(), "admin": (self.config.admin_port, web.Application())}
            for host, (port, app) in hosts.items():
                admin.add_routes(app, self)
                site = Site(app, self.config.host, port)
                self._stack.push_async_callback(site.stop)
                await site.start()
                self._sites[host] = site
            await self.opened()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # ── what tests and the admin routes use ──────────────────────────────

    @property
    def urls(self) -> dict[str, str]:
        return {f"{host}_url": site.url for host, site in self._sites.items()}

    @property
    def api_url(self) -> str:
        return self._sites["api"].url

    @property
    def admin_url(self) -> str:
        return self._sites["admin"].url

    def script(self, route: str, outcomes: list[Any], **restrictions: Any) -> int:
        """Faults for a route, consumed in order; restrictions are the other fields of a rule."""
        return self.add_rule({"route": route, "script": outcomes, **restrictions})

    def add_rule(self, rule: Mapping[str, Any]) -> int:
        return self._faults.add(dict(rule))

    def rules(self) -> list[dict[str, Any]]:
        return self._faults.listing()

    def reset(self, *only: str) -> list[str]:
        parts = only or ("faults", "ledger")
        if unknown := set(parts) - {"faults", "ledger"}:
            raise ValueError(f"cannot reset {sorted(unknown)}; there are faults and ledger")
        if "faults" in parts:
            self.clear_faults()
        if "ledger" in parts:
            self.timers.clear()
            self.errands.cancel()
            self.refusals.clear()
            self.forget()
        return list(parts)

    def clear_faults(self) -> None:
        self._faults.clear()
        for desk in self._desks:
            desk.clear()

    def configure(self, **changes: Any) -> None:
        """Change configuration while it runs; nested fields are merged."""
        if fixed := sorted(self.config.start_only & changes.keys()):
            raise ValueError(f"fixed at the start: {', '.join(fixed)}")
        fresh = type(self.config).model_validate(_merged(self.config.model_dump(), changes))
        for field in changes:
            setattr(self.config, field, getattr(fresh, field))
        self.configured(changes)

    def advance(self, seconds: float) -> float:
        """Let virtual seconds pass at once; what is due happens."""
        self.clock.advance(seconds)
        self.timers.catch_up()
        return self.clock.now()

    async def refuse_connections(self, host: str, seconds: float | None = None) -> None:
        """Take a host off the net, for so many real seconds or until told otherwise."""
        site = self._outside(host)
        await site.down()
        if seconds is not None:
            self._recoveries.send(_later(seconds, site.up))

    async def accept_connections(self, host: str) -> None:
        await self._outside(host).up()

    def state(self) -> dict[str, Any]:
        self.timers.catch_up()
        clock = {"speed": self.clock.speed, "now": self.clock.now(), "elapsed": self.clock.elapsed}
        return {
            "simulator": self.name,
            "urls": self.urls,
            "clock": {**clock, "wall": time.time()},
            "config": self.config.model_dump(mode="json"),
            "faults": self.rules(),
            "counters": self._counted(),
            "problems": self.errands.problems,
        }

    def ledger_json(self, only: Iterable[str] = ()) -> dict[str, Any]:
        """The ledger, or some parts of it, as the admin route tells it."""
        self.timers.catch_up()
        parts: dict[str, Callable[[], Any]] = {
            "counters": self._counted,
            "refused": lambda: [asdict(refusal) for refusal in self.refusals],
            **self.ledger_parts(),
        }
        return {name: parts[name]() for name in (list(only) or parts)}

    def _counted(self) -> dict[str, Any]:
        return {**self.counters(), "refused": len(self.refusals)}

    def _outside(self, host: str) -> Site:
        if host not in self._sites or host == "admin":
            raise ValueError(f"no such host: {host!r}; there are {', '.join(self._sites)}")
        return self._sites[host]


def _merged(base: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


async def _later(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    await asyncio.sleep(seconds)
    await action()


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is None:
        with tempfile.TemporaryDirectory(prefix="longtake-sim-") as folder:
            yield Path(folder)
    else:
        data.mkdir(parents=True, exist_ok=True)
        yield data
