"""What a video hears of its orders from outside: callbacks, and decisions of a person. Neither is believed."""

from studio.contracts.callback import CalledBack

MOST_ELSEWHERE = 20
"""Orders of a video that are looked after beside it."""
MOST_PER_CLIP = 20
"""Callbacks about one clip that wait to be looked into; beyond it the oldest is forgotten."""


class Hints:
    """Callbacks by order and task, until they are taken: two orders of one clip do not hide each other's."""

    def __init__(self) -> None:
        self._called_back: dict[int, dict[tuple[str, str], CalledBack]] = {}
        self._decided: set[int] = set()
        self._elsewhere: set[str] = set()

    def called_back(self, callback: CalledBack) -> None:
        """The provider, or a forger, says that an order has ended. Saying it again before it is taken adds nothing."""
        waiting = self._called_back.setdefault(callback.number, {})
        waiting.setdefault((callback.submission_id, callback.task_id), callback)
        if len(waiting) > MOST_PER_CLIP:
            del waiting[next(iter(waiting))]

    def decided(self, number: int) -> None:
        """A person has decided about a clip's unresolved order."""
        self._decided.add(number)

    def about(self, number: int) -> bool:
        """Is there anything new of this clip?"""
        return number in self._called_back or number in self._decided

    def called(self, number: int) -> bool:
        """Is there a callback about this clip?"""
        return number in self._called_back

    def take(self, number: int) -> CalledBack | None:
        """What is new of this clip, the oldest callback first; None when it was a decision."""
        waiting = self._called_back.get(number)
        if not waiting or number in self._decided:
            self._decided.discard(number)
            return None
        callback = waiting.pop(next(iter(waiting)))
        if not waiting:
            del self._called_back[number]
        return callback

    def left(self) -> list[CalledBack]:
        """The callbacks that were not taken, by clip."""
        return [callback for number in sorted(self._called_back) for callback in self._called_back[number].values()]

    def looks_elsewhere(self, submission_id: str) -> bool:
        """May this order be looked after elsewhere? Each once, and no more than a few: callbacks can be forged."""
        if submission_id in self._elsewhere or len(self._elsewhere) >= MOST_ELSEWHERE:
            return False
        self._elsewhere.add(submission_id)
        return True
