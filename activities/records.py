"""What PostgreSQL is told of a film. Every method is an upsert that may be repeated."""

import structlog
from temporalio import activity

from studio.contracts.film import ClipsRecord, FilmName, FilmRecord, FilmResultRecord, StatusRecord
from studio.contracts.money import Bill
from studio.store.budgets import BudgetStore, film_scope
from studio.store.costs import CostStore
from studio.store.films import FilmStore
from studio.store.submissions import SubmissionLedger

_log = structlog.get_logger()


class RecordActivities:
    """Writes films, clips and costs in short transactions; none is held while anything renders."""

    def __init__(self, films: FilmStore, costs: CostStore, budgets: BudgetStore, ledger: SubmissionLedger) -> None:
        self._films = films
        self._budgets = budgets
        self._costs = costs
        self._ledger = ledger

    @activity.defn
    async def open_film(self, record: FilmRecord) -> None:
        """Write the film down before anything is made."""
        info, request = activity.info(), record.request
        if request.budget_usd is not None:
            await self._budgets.set(film_scope(request.channel, request.video_id), request.budget_usd)
        await self._films.open(record.request, info.workflow_id or "", record.status, record.revision)
        _log.info("film.opened", clips=len(record.request.clips), provider=record.request.provider)

    @activity.defn
    async def set_film_status(self, record: StatusRecord) -> None:
        """Write down how the film stands."""
        await self._films.set_status(record.channel, record.video_id, record.status, record.message, record.revision)
        _log.info("film.status_changed", status=record.status, message=record.message)

    @activity.defn
    async def record_clips(self, record: ClipsRecord) -> None:
        """Write down how clips ended, and close the books on those whose look could not."""
        for outcome in record.outcomes:
            if outcome.done and outcome.submission_id and outcome.task_id:
                await self._ledger.settle_late(outcome.submission_id, outcome.task_id, outcome.cost_usd)
        await self._films.record_clips(record.channel, record.video_id, record.outcomes, record.revision)
        for outcome in record.outcomes:
            _log.info(
                "clip.recorded",
                clip=outcome.number,
                status=outcome.status,
                cost_usd=str(outcome.cost_usd),
                generation_seconds=outcome.generation_seconds,
                size_bytes=outcome.file.media.size if outcome.file else None,
                error_type=outcome.error_type,
                error=outcome.error,
            )

    @activity.defn
    async def book_costs(self, film: FilmName) -> Bill:
        """The film's bill so far, written down anew from its orders, and what is still with the provider."""
        costs = await self._costs.book(film.channel, film.video_id)
        ordered = await self._ledger.ordered(film.channel, film.video_id)
        return Bill(costs=costs, ordered=ordered)

    @activity.defn
    async def close_film(self, record: FilmResultRecord) -> None:
        """Write the finished film down."""
        await self._films.close(record.result, record.status, record.revision)
        _log.info(
            "film.closed",
            status=record.status,
            key=record.result.film.key,
            seconds=record.result.seconds,
            total_cost_usd=str(record.result.total_cost_usd),
            summary=record.result.summary,
        )
