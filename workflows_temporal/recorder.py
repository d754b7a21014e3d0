"""Writing down how clips ended, without making a history long or a clip wait."""

import asyncio
from contextlib import suppress

from temporalio import workflow

from activities.records import RecordActivities
from studio.contracts.clip import ClipOutcome
from studio.contracts.film import ClipsRecord, FilmName
from workflows_temporal.policies import RECORD, RECORD_SPACING


def revision() -> int:
    """Workflow time in milliseconds: it grows from change to change and from run to run of one film."""
    return int(workflow.now().timestamp() * 1_000)


class Recorder:
    """Takes outcomes and writes them in bunches: at once when it is quiet, spaced out in a rush."""

    def __init__(self, film: FilmName) -> None:
        self._film = film
        self._outcomes: list[ClipOutcome] = []
        self._writer: asyncio.Task[None] | None = None
        self._last = 0.0
        self._hurry = False

    def add(self, outcome: ClipOutcome) -> None:
        """Have it written soon."""
        self._outcomes.append(outcome)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())

    async def flush(self) -> None:
        """Everything given so far is written, without further spacing."""
        self._hurry = True
        while self._writer is not None and not self._writer.done():
            await workflow.wait([self._writer])
        self._hurry = False

    async def _write(self) -> None:
        while self._outcomes:
            await self._keep_distance()
            outcomes, self._outcomes = self._outcomes, []
            record = ClipsRecord(
                channel=self._film.channel,
                video_id=self._film.video_id,
                outcomes=outcomes,
                revision=revision(),
            )
            await workflow.execute_activity_method(RecordActivities.record_clips, record, **RECORD)
            self._last = workflow.time()

    async def _keep_distance(self) -> None:
        pause = self._last + RECORD_SPACING.total_seconds() - workflow.time()
        if pause > 0:
            with suppress(asyncio.TimeoutError):
                await workflow.wait_condition(lambda: self._hurry, timeout=pause)
