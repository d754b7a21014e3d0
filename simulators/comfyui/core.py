"""What every part of the server looks at."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.clock import Clock, Timers
from simulators.comfyui.config import ComfyConfig, RunOrder
from simulators.comfyui.drawing import Artist
from simulators.comfyui.ledger import Ledger
from simulators.comfyui.memory import Memory
from simulators.comfyui.schema import NodeSchema
from simulators.comfyui.sockets import Hub
from simulators.comfyui.storage import Storage
from simulators.faults import Plan


@dataclass
class Core:
    """`memory` is replaced at every restart, so nobody keeps a reference to it."""

    config: ComfyConfig
    clock: Clock
    timers: Timers
    ledger: Ledger
    storage: Storage
    schema: NodeSchema
    artist: Artist
    orders: Plan[RunOrder]
    broken: Callable[[Exception], None]
    """Told what is wrong with the simulator itself."""
    memory: Memory = field(default_factory=Memory)

    def __post_init__(self) -> None:
        self.hub = Hub(self.config, lambda: self.memory.remaining, self._late)

    def _late(self) -> tuple[str | None, str | None]:
        running = self.memory.running
        return (running.client_id if running else None), self.memory.node

    @staticmethod
    def milliseconds() -> int:
        return int(time.time() * 1000)
