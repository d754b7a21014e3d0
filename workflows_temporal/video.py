"""A video: fan its clips out, wait on failures, resume only those, join what is there."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

from activities.records import RecordActivities
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.gate import GateCarry
from studio.contracts.size import LARGEST_PAYLOAD, NEXT_RUN_TOO_LARGE, json_bytes
from studio.contracts.video import (
    MOST_CARRIED_CALLBACKS,
    Provider,
    VideoCarry,
    VideoProgress,
    VideoRecord,
    VideoRequest,
    VideoResult,
    VideoStatus,
)
from studio.errors import types_with
from workflows_temporal.addresses import KLING_GATE_ID
from workflows_temporal.assembly import assemble, call_off
from workflows_temporal.clip import try_clip
from workflows_temporal.fan_out import fan_out
from workflows_temporal.hints import Hints
from workflows_temporal.history import hear_cancellation, is_long
from workflows_temporal.inbound import fitted
from workflows_temporal.intake import account_refusal, refuse_what_cannot_be_made, refuse_what_cannot_travel
from workflows_temporal.lost import failed_clips, heard_of, look_elsewhere, lost_clips
from workflows_temporal.outcome import ending_of, failure_of, message_of
from workflows_temporal.policies import RECORD
from workflows_temporal.recorder import Recorder, revision
from workflows_temporal.reuse import lost_takes, use_takes
from workflows_temporal.slot import Gate
from workflows_temporal.standing import Standing, standstill
from workflows_temporal.stops import Stops
from workflows_temporal.table import Table

_STOPPING = types_with("stops_everyone")


@workflow.defn
class VideoWorkflow:
    """Makes one video."""

    most_bytes = LARGEST_PAYLOAD
    """Of the next run's input."""

    @workflow.init
    @fitted
    def __init__(self, request: VideoRequest) -> None:
        self._request = request
        self._table = Table(request)
        self._standing = Standing(request, self._table)
        self._recorder = Recorder(self._standing.video)
        before = request.carried.gate if request.carried else GateCarry()
        self._gate = Gate(KLING_GATE_ID, priority=request.priority, before=before)
        self._hints = Hints()
        self._stops = Stops[int]()
        self._outcomes: dict[int, ClipOutcome] = {}
        self._takes: list[str] = []
        self._existing: int | None = None
        self._ended: set[int] = set()
        """Clips that have ended in the present round, which may be longer than a run: each is tried once in it."""
        self._resumes = 0
        if request.carried is not None:
            self._take_over(request.carried)

    @workflow.run
    async def run(self, request: VideoRequest) -> VideoResult:
        try:
            refuse_what_cannot_travel(request)
            if request.carried is None:
                await self._open()
            else:
                await self._recall(request.carried)
            result = None
            while result is None:
                while todo := self._missing():
                    await self._make(todo)
                    if self._missing():
                        await self._wait_for_resume(*standstill(self._outcomes.values(), len(request.clips)))
                result = await self._finish()
            return result
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._call_off()
            elif isinstance(error, FailureError):  # anything else is a defect: its workflow task is tried again
                await self._give_up(error)
            raise

    @workflow.signal
    def resume(self) -> None:
        """Go on now: redo what is missing. While clips still run it changes nothing."""
        self._resumes += 1

    @workflow.signal
    def stop(self, number: int) -> None:
        """Stop this clip's render, as if it had failed; the others go on. What a provider was paid for goes on too."""
        if self._request.provider is not Provider.KLING:
            self._stops.stop(number)

    @workflow.signal
    def called_back(self, callback: CalledBack) -> None:
        """The provider says that it is done with an order."""
        self._hints.called_back(callback)

    @workflow.signal
    def order_decided(self, number: int) -> None:
        """The desk has decided about this clip's lost order."""
        self._hints.decided(number)

    @workflow.query
    def progress(self) -> VideoProgress:
        """How the video stands."""
        return self._standing.progress(gate_note=self._gate.note)

    async def _open(self) -> None:
        await refuse_what_cannot_be_made(self._request)
        record = VideoRecord(request=self._request, status=self._standing.status, revision=revision())
        opened = await workflow.execute_activity_method(RecordActivities.open_video, record, **RECORD)
        self._takes = opened.takes
        await self._standing.change(VideoStatus.PROCESSING)

    async def _make(self, todo: list[ClipRequest]) -> None:
        """One round: everything that is missing, all at once."""
        self._standing.step = "making clips"
        if self._existing is None:
            self._ended.clear()
        todo = [clip for clip in todo if clip.number not in self._ended]
        for outcome in await use_takes(self._standing.video, self._takes, todo):
            self._end(outcome)
        todo = [clip for clip in self._missing() if clip.take is None and clip.number not in self._ended]
        existing = self._existing = len(self._done()) if self._existing is None else self._existing
        tried = await self._try(todo) if todo else 0
        await self._recorder.flush()
        await self._gate.flush()
        if tried < len(todo):
            await self._next_run()
        self._existing = None
        generated = len(self._done()) - existing
        self._standing.summary = f"Skipped {existing} existing clips, generated {generated} new clips"

    async def _try(self, todo: list[ClipRequest]) -> int:
        """Have them made, unless the provider would refuse them all; returns how many were tried."""
        refusal = await account_refusal(self._request)
        if refusal is None:
            await self._gate.reopen()
            return await self._fan_out(todo)
        for clip in todo:
            self._end(failure_of(refusal, self._request, clip))
        return len(todo)

    async def _fan_out(self, todo: list[ClipRequest]) -> int:
        def try_one(one: ClipRequest) -> Coroutine[Any, Any, ClipOutcome | None]:
            return try_clip(self._request, one, self._takes[one.number - 1], self._gate, self._table, self._hints)

        withdrawing = asyncio.create_task(self._withdraw_when_long())
        try:
            return await fan_out(todo, try_one, self._end, self._stops)
        finally:
            withdrawing.cancel()

    async def _withdraw_when_long(self) -> None:
        await workflow.wait_condition(is_long)
        self._gate.withdraw()

    def _end(self, outcome: ClipOutcome) -> None:
        self._outcomes[outcome.number] = outcome
        self._ended.add(outcome.number)
        self._table.end(outcome)
        if not outcome.recorded:
            self._recorder.add(outcome)
        for_all = outcome.error_type in _STOPPING
        if for_all or outcome.status is ClipStatus.HELD:
            self._gate.shut(outcome.error or "", outcome.error_type or "", for_all=for_all)

    def _done(self) -> list[ClipOutcome]:
        return [self._outcomes[number] for number in sorted(self._outcomes) if self._outcomes[number].done]

    def _missing(self) -> list[ClipRequest]:
        done = {outcome.number for outcome in self._done()}
        return [clip for clip in self._request.clips if clip.number not in done]

    async def _wait_for_resume(self, status: VideoStatus, message: str) -> None:
        """A video also goes on when something is heard of a lost order, or when the gate that turned it back opens."""
        self._resumes = 0
        lost = lost_clips(self._standing.video, self._outcomes.values())
        failed = failed_clips(self._standing.video, self._outcomes.values())
        if self._gate.opened or await heard_of(lost, failed, self._hints):
            return
        await self._standing.change(status, message)
        await self._wait()

    async def _wait(self) -> None:
        """A run that becomes long leaves the waiting to the next one: signals that are refused could not end it."""
        self._standing.step = "waiting for resume"
        lost = lost_clips(self._standing.video, self._outcomes.values())
        failed = failed_clips(self._standing.video, self._outcomes.values())

        def heard() -> bool:
            return (
                self._resumes > 0
                or self._gate.opened
                or any(self._hints.about(clip.number) for clip in lost)
                or any(self._hints.called(clip.number) for clip in failed)
            )

        while not (self._resumes or self._gate.opened or await heard_of(lost, failed, self._hints)):
            await workflow.wait_condition(lambda: heard() or is_long())
            if not heard():
                await self._next_run(waiting=True)
        await self._standing.change(VideoStatus.PROCESSING)

    async def _finish(self) -> VideoResult | None:
        """Join; when that fails, wait for a person to mend it, as for a clip. None: files of clips were lost since."""
        await look_elsewhere(self._hints, self._done())
        while True:
            self._standing.step = "joining the video"
            try:
                return await assemble(self._done(), self._standing, self._request)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                if lost := await lost_takes(self._standing.video, self._done(), error):
                    for number in lost:
                        del self._outcomes[number]
                    return None
                await self._wait_for_resume(VideoStatus.VIDEO_ERROR, f"The video could not be joined: {error.cause}")

    async def _call_off(self) -> None:
        """The video was cancelled."""
        self._standing.step = "calling off"
        await self._recorder.flush()
        await self._gate.flush()
        await call_off(self._standing, unfinished=self._table.cancel())

    async def _give_up(self, error: FailureError) -> None:
        """The workflow ends with this error, which PostgreSQL, the query and Notion then show."""
        await self._recorder.flush()
        await self._standing.end(ending_of(error, begun=bool(self._takes)), message_of(error))

    async def _next_run(self, *, waiting: bool = False) -> None:
        """Continue as new, with what the next run cannot read back from PostgreSQL."""
        await self._recorder.flush()
        await self._gate.flush()
        await hear_cancellation()
        carried = VideoCarry(
            status=self._standing.status,
            clips=self._table.letters(self._ended),
            cost_usd=self._table.cost_usd,
            existing=self._existing,
            summary=self._standing.summary,
            message=self._standing.message,
            waiting=waiting,
            resumed=self._resumes > 0,
            gate=self._gate.carry() if waiting else GateCarry(closed=self._gate.closed),
            unknown_until=self._table.unknown_until,
            called_back=self._hints.left()[:MOST_CARRIED_CALLBACKS],
        )
        request = self._request.model_copy(update={"carried": carried})
        if (size := json_bytes(request)) > self.most_bytes:
            reason = (
                f"The next run's input has {size:,} bytes, Temporal takes {self.most_bytes:,} - Make several videos"
            )
            raise ApplicationError(reason, type=NEXT_RUN_TOO_LARGE, non_retryable=True)
        workflow.continue_as_new(request)

    def _take_over(self, carried: VideoCarry) -> None:
        self._standing.take_over(carried)
        self._table.take_over(carried.clips, carried.cost_usd)
        self._table.unknown_until.update(carried.unknown_until)
        self._existing = carried.existing
        self._ended = {number for number, letter in enumerate(carried.clips, start=1) if letter.isupper()}
        self._resumes = int(carried.resumed)
        for callback in carried.called_back:
            self._hints.called_back(callback)

    async def _recall(self, carried: VideoCarry) -> None:
        """Go on where the last run ended: how its clips ended is read back."""
        self._standing.show_status()
        video = self._standing.video
        recalled = await workflow.execute_activity_method(RecordActivities.recall_video, video, **RECORD)
        self._outcomes = {one.number: one.model_copy(update={"recorded": True}) for one in recalled.outcomes}
        self._table.recall(recalled.outcomes)
        self._takes = recalled.takes
        if not self._takes:
            await self._open()  # its rows were deleted: takes and orders are found again by what they are made from
        elif carried.waiting:
            await self._wait()
