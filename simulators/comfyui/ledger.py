"""The ledger: what a GPU server was asked for and what it did, which the server itself forgets at every restart."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from typing import Any

from simulators.journal import Journal

RUNNING = ("pending", "running")


@dataclass
class LedgerEntry:
    """One accepted prompt; times are epoch seconds. An id that was posted twice has two entries.

    `state`: pending, running, success, error, interrupted, deleted (while pending) or lost (by a restart).
    """

    seq: int
    prompt_id: str
    accepted: float
    graph_hash: str
    prefix: str
    client_id: str | None = None
    foreign: bool = False
    state: str = "pending"
    started: float | None = None
    ended: float | None = None
    cancel_asked: float | None = None
    """The first interrupt, cancel or delete that meant this prompt."""
    interrupted_at: float | None = None
    executed: int = 0
    """Nodes that ran; 0 with success: everything came from the cache."""
    files: list[str] = field(default_factory=list)
    error: str | None = None

    @property
    def seconds_to_interrupt(self) -> float | None:
        if self.cancel_asked is None or self.interrupted_at is None:
            return None
        return self.interrupted_at - self.cancel_asked


class Ledger:
    """Survives restarts of the simulated server, and with a journal those of its process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._entries: list[LedgerEntry] = []
        self.counts = {"rejected": 0, "polls": 0, "uploads": 0, "downloads": 0, "restarts": 0, "model_loads": 0}
        self._play()

    def _play(self) -> None:
        known = {f.name for f in fields(LedgerEntry)}
        for event in self._journal.read():
            if event["event"] == "forgotten":
                self._entries.clear()
            elif event["event"] == "prompt":
                entry = LedgerEntry(**{name: value for name, value in event.items() if name in known})
                self._entries[entry.seq - 1 : entry.seq] = [entry]
        self._journal.open()
        self.lose(entry for entry in list(self._entries) if entry.state in RUNNING)

    def forget(self) -> None:
        self._entries.clear()
        self.counts = dict.fromkeys(self.counts, 0)
        self._journal.write("forgotten")

    def close(self) -> None:
        self._journal.close()

    # ── what happened ────────────────────────────────────────────────────

    def count(self, what: str) -> None:
        self.counts[what] += 1

    def accept(self, prompt_id: str, **facts: Any) -> LedgerEntry:
        entry = LedgerEntry(len(self._entries) + 1, prompt_id, time.time(), **facts)
        self._entries.append(entry)
        self._keep(entry)
        return entry

    def start(self, entry: LedgerEntry) -> None:
        entry.state, entry.started = "running", time.time()
        self._keep(entry)

    def end(self, entry: LedgerEntry, state: str, error: str | None = None) -> None:
        entry.state, entry.ended, entry.error = state, time.time(), error
        if state == "interrupted":
            entry.interrupted_at = entry.ended
        self._keep(entry)

    def ask_cancel(self, entry: LedgerEntry) -> None:
        entry.cancel_asked = entry.cancel_asked or time.time()
        self._keep(entry)

    def lose(self, entries: Iterable[LedgerEntry]) -> None:
        for entry in entries:
            self.end(entry, "lost")

    def _keep(self, entry: LedgerEntry) -> None:
        self._journal.write("prompt", **asdict(entry))

    # ── what it comes to ─────────────────────────────────────────────────

    @property
    def prompts(self) -> list[LedgerEntry]:
        return list(self._entries)

    def of(self, prompt_id: str) -> list[LedgerEntry]:
        """Every time this id was accepted."""
        return [entry for entry in self._entries if entry.prompt_id == prompt_id]

    @property
    def accepted(self) -> int:
        return len(self._entries)

    @property
    def runs(self) -> int:
        return sum(entry.started is not None for entry in self._entries)

    @property
    def duplicates(self) -> dict[str, int]:
        """Ids that were accepted more than once."""
        counts: dict[str, int] = {}
        for entry in self._entries:
            counts[entry.prompt_id] = counts.get(entry.prompt_id, 0) + 1
        return {prompt_id: count for prompt_id, count in counts.items() if count > 1}

    @property
    def gaps(self) -> list[float]:
        """Seconds the GPU stood idle between one prompt and the next, in order."""
        ran = sorted((e for e in self._entries if e.started is not None), key=lambda e: e.started or 0.0)
        return [max(0.0, (after.started or 0.0) - before.ended) for before, after in pairwise(ran) if before.ended]

    def counters(self) -> dict[str, Any]:
        states = ("pending", "running", "success", "error", "interrupted", "deleted", "lost")
        by_state = {state: sum(entry.state == state for entry in self._entries) for state in states}
        busy = sum((e.ended or time.time()) - e.started for e in self._entries if e.started is not None)
        gaps = self.gaps
        figures = {"busy_seconds": busy, "idle_seconds": sum(gaps), "idle_seconds_max": max(gaps, default=0.0)}
        return {"accepted": self.accepted, "runs": self.runs, **by_state, **self.counts, **figures}

    def parts(self) -> dict[str, Callable[[], Any]]:
        return {
            "prompts": lambda: [
                {**asdict(entry), "seconds_to_interrupt": entry.seconds_to_interrupt} for entry in self._entries
            ],
            "gaps": lambda: self.gaps,
            "duplicates": lambda: self.duplicates,
        }
