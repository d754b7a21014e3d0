"""What every part of the provider looks at."""

import random
import time
from dataclasses import dataclass

from aiohttp import ClientSession

from simulators.clock import Clock, Timers
from simulators.faults import Plan
from simulators.journal import Journal
from simulators.kie.account import Account
from simulators.kie.config import KieConfig, TaskOrder
from simulators.kie.ledger import Ledger
from simulators.kie.tasks import TaskBook
from simulators.kie.weather import KieWeather
from simulators.simulator import Errands


@dataclass
class Core:
    """The provider's memory and its clock.

    `book` is read as it stands, `ledger` after everything due has happened. `session` calls others.
    """

    config: KieConfig
    clock: Clock
    timers: Timers
    errands: Errands
    journal: Journal
    book: TaskBook
    ledger: Ledger
    account: Account
    orders: Plan[TaskOrder]
    weather: KieWeather
    session: ClientSession

    def now(self) -> float:
        return self.clock.now()

    def dice(self, about: str) -> random.Random:
        """Chance that is the same in every run with this seed, whatever else is diced."""
        return random.Random(f"{self.config.seed}:{about}")

    @staticmethod
    def wall() -> float:
        return time.time()
