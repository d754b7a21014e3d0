"""The table of a film's clips: what the query answers and the web UI shows."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from temporalio import workflow

from studio.contracts.clip import ClipOutcome, ClipStatus
from studio.contracts.film import ClipProgress, VideoRequest
from studio.contracts.texts import markdown

_QUIET = (ClipStatus.QUEUED, ClipStatus.DONE)
_MOST_ROWS = 40
"""Rows shown in the web UI; a film of 500 clips shows those that are on their way or failed."""


class Table:
    """One row per clip."""

    def __init__(self, request: VideoRequest) -> None:
        self._rows = {clip.number: ClipProgress(number=clip.number, cost_usd=Decimal(0)) for clip in request.clips}
        self._counts = Counter({ClipStatus.QUEUED: len(self._rows)})
        self.on_change: Callable[[], None] = lambda: None

    @property
    def rows(self) -> list[ClipProgress]:
        """All rows in the film's order."""
        return list(self._rows.values())

    @property
    def cost_usd(self) -> Decimal:
        """What the finished clips cost."""
        return sum((row.cost_usd for row in self._rows.values()), start=Decimal(0))

    def mark(self, number: int, status: ClipStatus, note: str = "") -> None:
        """A clip goes a step on; its first step counts as a try."""
        row = self._rows[number]
        begins = row.status in (ClipStatus.QUEUED, ClipStatus.FAILED, ClipStatus.UNKNOWN, ClipStatus.HELD)
        self._put(row, status=status, tries=row.tries + begins, note=note)

    def end(self, outcome: ClipOutcome) -> None:
        """A clip has ended, well or not."""
        row = self._rows[outcome.number]
        self._put(row, status=outcome.status, cost_usd=outcome.cost_usd, note=outcome.error or "")

    def cancel(self) -> list[int]:
        """Whatever is not done is cancelled; returns which clips that are."""
        unfinished = [row for row in self._rows.values() if row.status is not ClipStatus.DONE]
        for row in unfinished:
            self._put(row, status=ClipStatus.CANCELLED)
        return [row.number for row in unfinished]

    def markdown(self) -> str:
        """The table for the web UI: counts, and the clips something can be said of."""
        counts = ", ".join(f"{count} {status}" for status, count in self._counts.items() if count)
        lively = [row for row in self._rows.values() if row.status not in _QUIET]
        if not lively:
            return counts
        lines = [
            f"| {row.number:02d} | {row.status} | {row.tries} | {markdown(' '.join(row.note[:120].split()))} |"
            for row in lively[:_MOST_ROWS]
        ]
        more = [f"| … | {len(lively) - _MOST_ROWS} more | | |"] if len(lively) > _MOST_ROWS else []
        return "\n".join([counts, "", "| clip | status | tries | note |", "|---|---|---|---|", *lines, *more])

    def _put(self, row: ClipProgress, *, status: ClipStatus, **changes: object) -> None:
        self._counts[row.status] -= 1
        self._counts[status] += 1
        moment = {"since": workflow.now()} if status is not row.status else {}
        self._rows[row.number] = row.model_copy(update={"status": status, **moment, **changes})
        self.on_change()
