"""What PostgreSQL is told of a film. Every method is an upsert that may be repeated."""

import structlog
from temporalio import activity

from activities._recording import Recording
from studio.contracts.film import (
    ClipRecord,
    FilmName,
    FilmRecord,
    FilmResultRecord,
    RecalledFilm,
    StatusRecord,
    VideoCost,
    VideoEnding,
)
from studio.contracts.money import Bill
from studio.contracts.take import LateTake, OpenedFilm
from studio.objects import keys
from studio.store.budgets import BudgetStore, film_scope
from studio.store.costs import CostStore
from studio.store.films import FilmStore
from studio.store.submissions import SubmissionLedger
from studio.store.takes import TakeStore
from studio.takes import takes_of

_log = structlog.get_logger()

RECORDING = frozenset(
    {"open_film", "set_film_status", "end_video", "record_clip", "record_late", "book_costs", "close_film"}
)
"""What these write down has been paid for: however often it fails, Temporal tries it again."""


class RecordActivities:
    """Writes films, clips and costs in short transactions; none is held while anything renders."""

    def __init__(
        self, films: FilmStore, takes: TakeStore, costs: CostStore, budgets: BudgetStore, ledger: SubmissionLedger
    ) -> None:
        self._films = films
        self._takes = takes
        self._recording = Recording(films, takes, ledger)
        self._budgets = budgets
        self._costs = costs
        self._ledger = ledger

    @activity.defn
    async def open_film(self, record: FilmRecord) -> OpenedFilm:
        """Write the film down before anything is made, and which take each of its clips is to have."""
        info, request = activity.info(), record.request
        if request.budget_usd is not None:
            await self._budgets.set(film_scope(request.channel, request.video_id), request.budget_usd)
        takes = takes_of(request)
        wanted = [take for take, _ in takes]
        # A take that cannot be had refuses the video: then the row keeps the request of the run before.
        await self._takes.want(request.channel, request.video_id, takes)
        await self._films.open(record.request, info.workflow_id or "", record.status, record.revision, wanted)
        _log.info("film.opened", clips=len(record.request.clips), provider=record.request.provider)
        return OpenedFilm(takes=wanted)

    @activity.defn
    async def recall_film(self, film: FilmName) -> RecalledFilm:
        """What the previous run of the film wrote down: how its clips ended, and which takes they are to have.

        A clip whose row is about another take than it is to have now counts as not made.
        """
        recalled = await self._films.recall(film.channel, film.video_id)
        wanted = dict(enumerate(recalled.takes, start=1))
        outcomes = [one for one in recalled.outcomes if not one.done or wanted.get(one.number) == one.take]
        return recalled.model_copy(update={"outcomes": outcomes})

    @activity.defn
    async def set_film_status(self, record: StatusRecord) -> VideoCost:
        """Write down the video's status; returns what it has cost so far."""
        await self._films.set_status(record.channel, record.video_id, record.status, record.message, record.revision)
        _log.info("film.status_changed", status=record.status, message=record.message)
        return await self._costs.cost(record.channel, record.video_id)

    @activity.defn
    async def end_video(self, ending: VideoEnding) -> VideoCost:
        """Write down how a video ended that came to no result, also when it was refused before it was opened."""
        await self._films.end(ending, activity.info().workflow_id or "")
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
    async def book_costs(self, film: FilmName) -> Bill:
        """The film's bill so far, written down anew from its orders, and what is still with the provider."""
        costs = await self._costs.book(film.channel, film.video_id)
        ordered = await self._ledger.ordered(film.channel, film.video_id)
        return Bill(costs=costs, ordered=ordered)

    @activity.defn
    async def close_film(self, record: FilmResultRecord) -> None:
        """Write the finished film down."""
        keys.ensure_of_channel(record.result.channel, record)
        await self._films.close(record.result, record.status, record.revision)
        _log.info(
            "film.closed",
            status=record.status,
            key=record.result.film.key,
            seconds=record.result.seconds,
            total_cost_usd=str(record.result.total_cost_usd),
            summary=record.result.summary,
        )
