"""A film: fan its clips out, wait on failures, resume only those, join what is there."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.keeping import KeepingActivities
from activities.kling import KlingActivities
from activities.records import RecordActivities
from studio.contracts.clip import ClipOutcome, ClipRequest
from studio.contracts.film import (
    FilmRecord,
    Provider,
    Unfinished,
    VideoCarry,
    VideoProgress,
    VideoRequest,
    VideoResult,
    VideoStatus,
)
from studio.contracts.gate import GateName
from studio.errors import stopping_types
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.assembly import assemble
from workflows_temporal.clip import failure_of, try_clip
from workflows_temporal.intake import refuse_what_cannot_be_made
from workflows_temporal.policies import ACCOUNT, CLIPS_IN_FLIGHT, RECORD
from workflows_temporal.recorder import Recorder, revision
from workflows_temporal.slot import Gate
from workflows_temporal.standing import Standing, reasons
from workflows_temporal.table import Table

_STOPPING = stopping_types()


@workflow.defn
class VideoWorkflow:
    """Makes one film."""

    @workflow.init
    def __init__(self, request: VideoRequest) -> None:
        self._request = request
        self._table = Table(request)
        self._standing = Standing(request, self._table)
        self._recorder = Recorder(self._standing.film)
        self._gate = Gate(KLING_GATE_ID, priority=request.priority)
        self._outcomes: dict[int, ClipOutcome] = {}
        self._existing: int | None = None
        self._resumes = 0
        if request.carried is not None:
            self._take_over(request.carried)

    @workflow.run
    async def run(self, request: VideoRequest) -> VideoResult:
        try:
            if request.carried is None:
                await self._open()
            while todo := self._missing():
                await self._make(todo)
                if self._missing():
                    await self._wait_for_resume(reasons(self._outcomes.values(), len(request.clips)))
            return await self._finish()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._call_off()
            raise

    @workflow.signal
    def resume(self) -> None:
        """Go on now: redo what is missing. While clips still run it changes nothing."""
        self._resumes += 1

    @workflow.query
    def progress(self) -> VideoProgress:
        """How the film stands."""
        return self._standing.progress(self._outcomes.values(), gate_closed=self._gate.closed)

    async def _open(self) -> None:
        await refuse_what_cannot_be_made(self._request)
        record = FilmRecord(request=self._request, status=self._standing.status, revision=revision())
        await workflow.execute_activity_method(RecordActivities.open_film, record, **RECORD)
        await self._standing.change(VideoStatus.PROCESSING)

    async def _make(self, todo: list[ClipRequest]) -> None:
        """One round: everything that is missing, all at once."""
        self._standing.step = "making clips"
        existing = self._existing = len(self._done()) if self._existing is None else self._existing
        tried = len(todo)
        if await self._account_is_good(todo):
            await self._gate.reopen()
            tried = await self._fan_out(todo)
        await self._recorder.flush()
        await self._gate.flush()
        if tried < len(todo):
            self._continue_as_new()
        self._existing = None
        generated = len(self._done()) - existing
        self._standing.summary = f"Skipped {existing} existing clips, generated {generated} new clips"

    async def _account_is_good(self, todo: list[ClipRequest]) -> bool:
        """Ask the provider once whether it knows our key, before every clip finds out for itself."""
        if self._request.provider is not Provider.KLING:
            return True
        try:
            gate = GateName(gate=KLING_GATE_ID)
            await workflow.execute_activity_method(KlingActivities.check_account, gate, **ACCOUNT)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            for clip in todo:
                self._end(failure_of(error, self._request, clip))
            return False
        return True

    async def _fan_out(self, todo: list[ClipRequest]) -> int:
        """Try all of them; returns how many were. A film whose history is long leaves the rest to its next run."""
        window = asyncio.Semaphore(CLIPS_IN_FLIGHT)

        async def run_clip(clip: ClipRequest) -> bool:
            async with window:
                if workflow.info().is_continue_as_new_suggested():
                    return False
                self._end(await try_clip(self._request, clip, self._gate, self._table))
                return True

        ends = await asyncio.gather(*map(run_clip, todo), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end
        return sum(bool(end) for end in ends)

    def _end(self, outcome: ClipOutcome) -> None:
        self._outcomes[outcome.number] = outcome
        self._table.end(outcome)
        self._recorder.add(outcome)
        if outcome.error_type in _STOPPING:
            self._gate.shut(outcome.error or "", outcome.error_type)

    def _done(self) -> list[ClipOutcome]:
        return [self._outcomes[number] for number in sorted(self._outcomes) if self._outcomes[number].done]

    def _missing(self) -> list[ClipRequest]:
        done = {outcome.number for outcome in self._done()}
        return [clip for clip in self._request.clips if clip.number not in done]

    async def _wait_for_resume(self, message: str) -> None:
        self._resumes = 0
        self._standing.step = "waiting for resume"
        await self._standing.change(VideoStatus.VIDEO_ERROR, message)
        await workflow.wait_condition(lambda: self._resumes > 0)
        await self._standing.change(VideoStatus.PROCESSING)

    async def _finish(self) -> VideoResult:
        """Join; when that fails, wait for somebody to mend it, as for a clip."""
        while True:
            self._standing.step = "joining the film"
            try:
                return await assemble(self._done(), self._standing)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                await self._wait_for_resume(f"The film could not be joined: {error.cause}")

    async def _call_off(self) -> None:
        """The film was cancelled: say what was ordered all the same, and leave nothing half done behind."""
        self._standing.step = "calling off"
        await self._recorder.flush()
        await self._gate.flush()
        film = self._standing.film
        unfinished = Unfinished(channel=film.channel, video_id=film.video_id, numbers=self._table.cancel())
        await workflow.execute_activity_method(KeepingActivities.remove_unfinished, unfinished, **RECORD)
        bill = await workflow.execute_activity_method(RecordActivities.book_costs, film, **RECORD)
        self._standing.step = "cancelled"
        await self._standing.change(VideoStatus.CANCELLED, bill.still_ordered())

    def _continue_as_new(self) -> None:
        outcomes = list(self._outcomes.values())
        carried = VideoCarry(outcomes=outcomes, status=self._standing.status, existing=self._existing)
        workflow.continue_as_new(self._request.model_copy(update={"carried": carried}))

    def _take_over(self, carried: VideoCarry) -> None:
        for outcome in carried.outcomes:
            self._outcomes[outcome.number] = outcome
            self._table.end(outcome)
        self._standing.status = carried.status
        self._existing = carried.existing
