"""What a server keeps in memory, and loses at every restart: queue, running prompt, history, node cache."""

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import Any

from simulators.comfyui.config import RunOrder
from simulators.comfyui.ledger import LedgerEntry
from simulators.comfyui.validation import Graph

HISTORY_LENGTH = 10_000


@dataclass(eq=False)
class Prompt:
    """One accepted prompt."""

    number: float
    prompt_id: str
    graph: Graph
    extra: dict[str, Any]
    outputs: list[str]
    create_time: int
    """Milliseconds."""
    entry: LedgerEntry
    order: RunOrder

    @property
    def item(self) -> list[Any]:
        """As /queue and /history tell it."""
        return [self.number, self.prompt_id, self.graph, self.extra, self.outputs]

    @property
    def client_id(self) -> str | None:
        given = self.extra.get("client_id")
        return given if isinstance(given, str) else None


@dataclass(eq=False)
class Past:
    """A prompt that has ended."""

    prompt: Prompt
    outputs: dict[str, Any]
    status: dict[str, Any]
    meta: dict[str, Any]


@dataclass
class Memory:
    """Empty when the server starts."""

    pending: list[tuple[float, str, int, Prompt]] = field(default_factory=list)
    """A heap: lowest number first."""
    running: Prompt | None = None
    history: dict[str, Past] = field(default_factory=dict)
    cache: dict[str, Any] = field(default_factory=dict)
    """Signature of a node → what it showed (saving nodes) or None."""
    models: frozenset[str] = frozenset()
    number: int = 0
    node: str | None = None
    """The node that runs now."""
    to_free: set[str] = field(default_factory=set)
    """What has to go when the running prompt has ended: see `free`."""
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def remaining(self) -> int:
        return len(self.pending) + (self.running is not None)

    def next_number(self) -> int:
        number, self.number = self.number, self.number + 1
        return number

    def put(self, prompt: Prompt) -> None:
        heapq.heappush(self.pending, (prompt.number, prompt.prompt_id, prompt.entry.seq, prompt))
        self.arrived.set()

    async def take(self) -> Prompt:
        while not self.pending:
            self.arrived.clear()
            await self.arrived.wait()
        self.running = heapq.heappop(self.pending)[3]
        return self.running

    def waits(self, number: float, prompt_id: str) -> bool:
        return any(entry[:2] == (number, prompt_id) for entry in self.pending)

    def queued(self, prompt_id: str) -> Prompt | None:
        return next((entry[3] for entry in self.pending if entry[1] == prompt_id), None)

    def delete(self, prompt_id: str) -> Prompt | None:
        """Takes one waiting prompt with this id out of the queue."""
        prompt = self.queued(prompt_id)
        if prompt is not None:
            self.pending = [entry for entry in self.pending if entry[3] is not prompt]
            heapq.heapify(self.pending)
        return prompt

    def clear(self) -> list[Prompt]:
        cleared, self.pending = [entry[3] for entry in self.pending], []
        return cleared

    def free(self, *parts: str) -> None:
        """`free_memory`: everything; `unload_models`: the model files. Between two prompts, so perhaps later."""
        self.to_free |= {*parts}
        if self.running is not None:
            return
        if "free_memory" in self.to_free:
            self.cache = {}
        if self.to_free:
            self.models = frozenset()
        self.to_free = set()

    def finish(self, past: Past) -> None:
        """A further run of an id takes the place of the one before."""
        self.running = None
        self.free()
        self.history[past.prompt.prompt_id] = past
        while len(self.history) > HISTORY_LENGTH:
            del self.history[next(iter(self.history))]
