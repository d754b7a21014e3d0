"""What a film hears of its orders from outside: callbacks, and decisions of the desk. Neither is believed."""

from studio.contracts.callback import CalledBack

MOST_ELSEWHERE = 20
"""Orders of a film that are looked after beside it."""


class Hints:
    """The newest hint per clip, until somebody takes it."""

    def __init__(self) -> None:
        self._called_back: dict[int, CalledBack] = {}
        self._decided: set[int] = set()
        self._elsewhere: set[str] = set()

    def called_back(self, callback: CalledBack) -> None:
        """The provider, or somebody who says so, told that an order has ended."""
        self._called_back[callback.number] = callback

    def decided(self, number: int) -> None:
        """The desk has decided about a clip's lost order."""
        self._decided.add(number)

    def about(self, number: int) -> bool:
        """Is there anything new of this clip?"""
        return number in self._called_back or number in self._decided

    def take(self, number: int) -> CalledBack | None:
        """What is new of this clip, once; None when it was the desk."""
        self._decided.discard(number)
        return self._called_back.pop(number, None)

    def looks_elsewhere(self, submission_id: str) -> bool:
        """May this order be looked after elsewhere? Each once, and no more than a few: callbacks can be forged."""
        if submission_id in self._elsewhere or len(self._elsewhere) >= MOST_ELSEWHERE:
            return False
        self._elsewhere.add(submission_id)
        return True
