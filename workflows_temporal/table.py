"""The table of a video's clips: what the query answers and the web UI shows."""

from collections import Counter
from collections.abc import Callable, Container, Iterable
from decimal import Decimal
from types import MappingProxyType

from temporalio import workflow

from studio.contracts.clip import ClipOutcome, ClipStatus
from studio.contracts.excerpt import excerpt
from studio.contracts.texts import markdown
from studio.contracts.video import ClipProgress, VideoRequest

_QUIET = (ClipStatus.QUEUED, ClipStatus.DONE)
_MOST_ROWS = 40
"""Rows shown in the web UI; a video of 500 clips shows those that are on their way or failed."""


_LETTERS = MappingProxyType(
    {ClipStatus.DONE: "d", ClipStatus.FAILED: "f", ClipStatus.UNKNOWN: "u", ClipStatus.HELD: "h"}
)
"""How a clip ended, as the next run of a video is told."""


class Table:
    """One row per clip."""

    def __init__(self, request: VideoRequest) -> None:
        self._rows = {clip.number: ClipProgress(number=clip.number, cost_usd=Decimal(0)) for clip in request.clips}
        self._counts = Counter({ClipStatus.QUEUED: len(self._rows)})
        self._booked_usd = Decimal(0)
        """What the video had cost when PostgreSQL said so last, by all its orders."""
        self._since_usd = Decimal(0)
        """Of clips that were made since."""
        self._failed: set[int] = set()
        self.unknown_until: dict[int, float] = {}
        """Per clip with a lost order: how long it is waited for, in Unix time."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def rows(self) -> list[ClipProgress]:
        """All rows in the video's order."""
        return list(self._rows.values())

    @property
    def cost_usd(self) -> Decimal:
        """What the video has cost so far: the figure of PostgreSQL, and the clips that were made since."""
        return self._booked_usd + self._since_usd

    def book(self, cost_usd: Decimal) -> None:
        """PostgreSQL says what the video has cost, all its orders taken together."""
        self._booked_usd, self._since_usd = cost_usd, Decimal(0)

    @property
    def done(self) -> int:
        """How many clips are done."""
        return self._counts[ClipStatus.DONE]

    @property
    def failed(self) -> list[int]:
        """Clips that ended otherwise, and have not been made since."""
        return sorted(self._failed)

    def letters(self, ended: Container[int]) -> str:
        """A letter per clip for the next run: how it ended, a dot when it has not; a capital one for those `ended`."""
        letters = {row.number: _LETTERS.get(row.status, ".") for row in self._rows.values()}
        return "".join(letter.upper() if number in ended else letter for number, letter in letters.items())

    def take_over(self, letters: str, cost_usd: Decimal) -> None:
        """Begin where the last run ended, until its outcomes have been read back."""
        statuses = {letter: status for status, letter in _LETTERS.items()}
        for row, letter in zip(list(self._rows.values()), letters.lower(), strict=False):
            if letter in statuses:
                self._put(row, status=statuses[letter])
                self._note_end(row.number, statuses[letter])
        self.book(cost_usd)

    def recall(self, outcomes: Iterable[ClipOutcome]) -> None:
        """The last run's outcomes have been read back; what is not among them has not ended."""
        self._failed.clear()
        ended = {outcome.number: outcome for outcome in outcomes}
        for row in list(self._rows.values()):
            if row.number in ended:
                self._show_end(ended[row.number])
            else:
                self._put(row, status=ClipStatus.QUEUED)

    def mark(self, number: int, status: ClipStatus, note: str = "") -> None:
        """A clip goes a step on; its first step counts as a try."""
        row = self._rows[number]
        begins = row.status in (ClipStatus.QUEUED, ClipStatus.FAILED, ClipStatus.UNKNOWN, ClipStatus.HELD)
        self._put(row, status=status, tries=row.tries + begins, note=excerpt(note))

    def end(self, outcome: ClipOutcome) -> None:
        """A clip has ended, well or not."""
        if outcome.submission_id is not None:  # ordered for this video; a take that was there costs nothing more
            self._since_usd += outcome.cost_usd
        self._show_end(outcome)

    def _show_end(self, outcome: ClipOutcome) -> None:
        self.unknown_until.pop(outcome.number, None)
        self._note_end(outcome.number, outcome.status)
        row = self._rows[outcome.number]
        self._put(row, status=outcome.status, cost_usd=outcome.cost_usd, note=outcome.error or "")

    def _note_end(self, number: int, status: ClipStatus) -> None:
        if status is ClipStatus.DONE:
            self._failed.discard(number)
        else:
            self._failed.add(number)

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
