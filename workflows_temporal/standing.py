"""How a video stands, told to everybody who asks: the query, the web UI, PostgreSQL, Notion."""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from types import MappingProxyType

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from activities.notices import NoticeActivities
from activities.records import RecordActivities
from studio.contracts.clip import ClipOutcome, ClipStatus
from studio.contracts.excerpt import excerpt
from studio.contracts.notice import StatusNotice
from studio.contracts.texts import markdown
from studio.contracts.video import (
    LONGEST_MESSAGE,
    StatusRecord,
    VideoCarry,
    VideoEnding,
    VideoName,
    VideoProgress,
    VideoRequest,
    VideoStatus,
)
from workflows_temporal.addresses import CHANNEL, VIDEO_STATUS
from workflows_temporal.history import show
from workflows_temporal.policies import POST, RECORD
from workflows_temporal.recorder import revision
from workflows_temporal.table import Table

_NOTION = MappingProxyType({VideoStatus.REFUSED: VideoStatus.VIDEO_ERROR, VideoStatus.FAILED: VideoStatus.VIDEO_ERROR})
"""What a Notion page shows in place of a status: its property has the options that were set up for it."""


class Standing:
    """Status, step and messages of one video."""

    def __init__(self, request: VideoRequest, table: Table) -> None:
        self.video = VideoName(channel=request.channel, video_id=request.video_id)
        self.status = VideoStatus.QUEUED
        self.summary = ""
        self._request = request
        self._table = table
        self._step = "looking at the request"
        self._message = ""
        table.on_change = self._show

    @property
    def step(self) -> str:
        """What the video is doing, in words."""
        return self._step

    @step.setter
    def step(self, step: str) -> None:
        self._step = step
        self._show()

    @property
    def message(self) -> str:
        """For people: why the video waits."""
        return self._message

    def take_over(self, carried: VideoCarry) -> None:
        """Begin where the last run ended."""
        self.status, self.summary, self._message = carried.status, carried.summary, carried.message

    def show_status(self) -> None:
        """Tell lists of workflows."""
        workflow.upsert_search_attributes([CHANNEL.value_set(self.video.channel), VIDEO_STATUS.value_set(self.status)])

    async def change(self, status: VideoStatus, message: str = "") -> None:
        """The video stands otherwise from now on: write it down and tell everybody."""
        message = excerpt(message, characters=LONGEST_MESSAGE, most_bytes=4 * LONGEST_MESSAGE)
        record = StatusRecord(**self._named(), status=status, message=message, revision=revision())
        writing = workflow.execute_activity_method(RecordActivities.set_video_status, record, **RECORD)
        cost, _ = await asyncio.gather(writing, self.announce(status, message))
        self._table.book(cost.cost_usd)
        self._show()

    async def end(self, status: VideoStatus, message: str) -> None:
        """The video has ended without a result, perhaps before it was written down: write it down and announce it."""
        message = excerpt(message, characters=LONGEST_MESSAGE, most_bytes=4 * LONGEST_MESSAGE)
        ending = VideoEnding(
            **self._named(),
            status=status,
            message=message,
            revision=revision(),
            title=self._request.title,
            provider=self._request.provider,
            clip_count=len(self._request.clips),
        )
        self._step = str(status)
        writing = workflow.execute_activity_method(RecordActivities.end_video, ending, **RECORD)
        cost, _ = await asyncio.gather(writing, self.announce(status, message))
        self._table.book(cost.cost_usd)
        self._show()

    def _named(self) -> dict[str, str]:
        return {"channel": self.video.channel, "video_id": self.video.video_id}

    def book(self, cost_usd: Decimal) -> None:
        """The books say what the video has cost."""
        self._table.book(cost_usd)

    async def announce(self, status: VideoStatus, message: str) -> None:
        """Tell everybody but PostgreSQL."""
        self.status, self._message = status, message
        self._show()
        self.show_status()
        if self._request.notion_page is None:
            return
        notice = StatusNotice(
            page=self._request.notion_page,
            status=_NOTION.get(status, status),
            channel=self.video.channel,
            video_id=self.video.video_id,
            revision=revision(),
            final=status.ended,
        )
        try:
            await workflow.execute_activity_method(NoticeActivities.post_notice, notice, **POST)
        except ActivityError as error:  # no concern of the video's
            if is_cancelled_exception(error):
                raise
            workflow.logger.warning("notion.not_told", extra={"page": notice.page, "error": str(error.cause)})

    def progress(self, *, gate_note: str | None) -> VideoProgress:
        """Everything as a value."""
        return VideoProgress(
            channel=self.video.channel,
            video_id=self.video.video_id,
            status=self.status,
            step=f"{self._step}; {gate_note}" if gate_note else self._step,
            total=len(self._request.clips),
            done=self._table.done,
            failed=self._table.failed,
            clips=self._table.rows,
            cost_usd=self._table.cost_usd,
            message=self._message or self.summary,
        )

    def _show(self) -> None:
        said = f"\n\n{markdown(self._message)}" if self._message else ""
        show(f"**{self.status}**: {self._step}{said}\n\n{self._table.markdown()}")


def standstill(outcomes: Iterable[ClipOutcome], total: int) -> tuple[VideoStatus, str]:
    """How a video stands that waits, and why: `2 of 18 clips are missing. Clip 7: …`.

    Clips with the same reason share a line. Where only a budget is in the way, nothing has failed.
    """
    missing = sorted((outcome for outcome in outcomes if not outcome.done), key=lambda outcome: outcome.number)
    by_reason: dict[str, list[str]] = {}
    for outcome in missing:
        by_reason.setdefault(outcome.error or outcome.status, []).append(str(outcome.number))
    lines = [f"Clip {', '.join(numbers)}: {reason}" for reason, numbers in by_reason.items()]
    only_budget = all(outcome.status is ClipStatus.HELD for outcome in missing)
    status = VideoStatus.BUDGET_REACHED if only_budget else VideoStatus.VIDEO_ERROR
    return status, "\n".join([f"{len(missing)} of {total} clips are missing.", *lines])[:LONGEST_MESSAGE]
