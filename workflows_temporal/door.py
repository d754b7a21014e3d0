"""Why a gate is closed, what would open it, and whom to tell. Plain logic, as the line's."""

from typing import Any

from studio.contracts.gate import Closing, GateState, TopUpAwaited
from studio.errors import types_with

MOST_STANDING_BY = 400
"""Videos a gate remembers. Telling them is a signal each, and all that a gate knows must stay below 1 MiB; a video that
comes when there are so many waits for a `resume`."""
LONGEST_WORKFLOW_ID = 255
"""Bytes of a workflow id that is remembered; a video's has 207 at most."""

_TOP_UP = types_with("until_top_up")


class Door:
    """The gate's door: open, or closed for a reason."""

    def __init__(self, state: GateState) -> None:
        before_there_were_classes = Closing(reason=state.closed) if state.closed else None
        self._closing = state.closing or before_there_were_classes
        self._standing_by = dict.fromkeys(state.standing_by)
        self.closings = state.closings

    @property
    def closed(self) -> str | None:
        """Why nobody is let in, and what opens it; None: it is open."""
        if self._closing is None:
            return None
        opens = " (opens by itself after a top-up)" if self.awaits_top_up else ""
        return f"{self._closing.reason}{opens}"

    @property
    def closing(self) -> Closing | None:
        """What closed it."""
        return self._closing

    @property
    def awaits_top_up(self) -> bool:
        """Only credits are missing."""
        return self._closing is not None and self._closing.error_type in _TOP_UP

    def awaited(self, gate: str) -> TopUpAwaited | None:
        """The top-up that would open this gate."""
        if self._closing is None or not self.awaits_top_up:
            return None
        return TopUpAwaited(gate=gate, closing=self.closings, credits=self._closing.credits)

    @property
    def standing_by(self) -> list[str]:
        """The videos that were turned back, in the order in which they came."""
        return list(self._standing_by)

    def close(self, why: Closing) -> bool:
        """Let nobody in; True when that is news.

        The first reason stays, but one that no top-up ends takes the place of one that it does: else a refused key
        would be tried again as soon as there is money.
        """
        if self._closing is not None and not (self.awaits_top_up and why.error_type not in _TOP_UP):
            return False
        self._closing = why
        self.closings += 1
        return True

    def open(self) -> None:
        """Let people in again."""
        self._closing = None

    def stand_by(self, workflow_id: str) -> None:
        """Remember a video while the door is closed."""
        too_long = len(workflow_id.encode()) > LONGEST_WORKFLOW_ID
        if self._closing is not None and len(self._standing_by) < MOST_STANDING_BY and not too_long:
            self._standing_by[workflow_id] = None

    def dismiss(self) -> None:
        """All have been told."""
        self._standing_by.clear()

    def fields(self) -> dict[str, Any]:
        """The door's part of the gate's state."""
        return {
            "closed": self.closed,
            "closing": self._closing,
            "closings": self.closings,
            "standing_by": self.standing_by,
        }
