"""What PostgreSQL is told of a video. Every method is an upsert that may be repeated."""

import structlog
from temporalio import activity

from activities._recording import Recording
from studio.contracts.money import Bill
from studio.contracts.take import LateTake, OpenedVideo
from studio.contracts.video import (
    ClipRecord,
    RecalledVideo,
    StatusRecord,
    VideoCost,
    VideoEnding,
    VideoName,
    VideoRecord,
    VideoResultRecord,
)
from studio.objects import keys
from studio.store.budgets import BudgetStore, video_scope
from studio.store.costs import CostStore
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.store.videos import VideoStore
from studio.takes import takes_of

_log = structlog.get_logger()

RECORDING = frozenset(
    {"open_video", "set_video_status", "end_video", "record_clip", "record_late", "book_costs", "close_video"}
)
"""What these write down has been paid for: however often it fails, Temporal tries it again."""


class RecordActivities:
    """Writes videos, clips and costs in short transactions; none is held while anything renders."""

    def __init__(
        self, videos: VideoStore, takes: TakeStore, costs: CostStore, budgets: BudgetStore, ledger: SubmissionLedger
    ) -> None:
        self._videos = videos
        self._takes = takes
        self._recording = Recording(videos, takes, ledger)
        self._budgets = budgets
        self._costs = costs
        self._ledger = ledger

    @activity.defn
    async def open_video(self, record: VideoRecord) -> OpenedVideo:
        """Write the video down before anything is made, and which take each of its clips is to have."""
        info, request = activity.info(), record.request
        if request.budget_usd is not None:
            await self._budgets.set(video_scope(request.channel, request.video_id), request.budget_usd)
        takes = takes_of(request)
        wanted = [take for take, _ in takes]
        # A take that cannot be had refuses the video: then the row keeps the request of the run before.
        await self._takes.want(request.channel, request.video_id, takes)
        await self._videos.open(record.request, info.workflow_id or "", record.status, record.revision, wanted)
        _log.info("video.opened", clips=len(record.request.clips), provider=record.request.provider)
        return OpenedVideo(takes=wanted)

    @activity.defn
    async def recall_video(self, video: VideoName) -> RecalledVideo:
        """What the previous run of the video wrote down: how its clips ended, and which takes they are to have.

        A clip whose row is about another take than it is to have now counts as not made.
        """
        recalled = await self._videos.recall(video.channel, video.video_id)
        wanted = dict(enumerate(recalled.takes, start=1))
        outcomes = [one for one in recalled.outcomes if not one.done or wanted.get(one.number) == one.take]
        return recalled.model_copy(update={"outcomes": outcomes})

    @activity.defn
    async def set_video_status(self, record: StatusRecord) -> VideoCost:
        """Write down the video's status; returns what it has cost so far."""
        await self._videos.set_status(record.channel, record.video_id, record.status, record.message, record.revision)
        _log.info("video.status_changed", status=record.status, message=record.message)
        return await self._costs.cost(record.channel, record.video_id)

    @activity.defn
    async def end_video(self, ending: VideoEnding) -> VideoCost:
        """Write down how a video ended that came to no result, also when it was refused before it was opened."""
        await self._videos.end(ending, activity.info().workflow_id or "")
        await self._costs.book(ending.channel, ending.video_id)
        _log.warning("video.ended", status=ending.status, message=ending.message)
        return await self._costs.cost(ending.channel, ending.video_id)

    @activity.defn
    async def record_clip(self, record: ClipRecord) -> None:
        """Write down how a clip ended and which take came of it, and close the books when its look could not."""
        keys.ensure_of_channel(record.channel, record)
        await self._recording.write(record)

    @activity.defn
    async def record_late(self, late: LateTake) -> None:
        """Write down a take that came when nobody waited for it any more."""
        clip = late.clip
        keys.ensure_of_channel(clip.channel, late)
        await self._takes.finish(
            clip.channel,
            clip.take,
            late.file,
            cost_usd=clip.cost_usd,
            submission_id=clip.submission_id,
            task_id=clip.task_id,
        )
        _log.info("late.recorded", submission_id=clip.submission_id, take=clip.take, cost_usd=str(clip.cost_usd))

    @activity.defn
    async def book_costs(self, video: VideoName) -> Bill:
        """The video's bill so far, written down anew from its orders, and what is still with the provider."""
        costs = await self._costs.book(video.channel, video.video_id)
        ordered = await self._ledger.ordered(video.channel, video.video_id)
        return Bill(costs=costs, ordered=ordered)

    @activity.defn
    async def close_video(self, record: VideoResultRecord) -> None:
        """Write the finished video down."""
        keys.ensure_of_channel(record.result.channel, record)
        await self._videos.close(record.result, record.status, record.revision)
        _log.info(
            "video.closed",
            status=record.status,
            key=record.result.video.key,
            seconds=record.result.seconds,
            total_cost_usd=str(record.result.total_cost_usd),
            summary=record.result.summary,
        )
