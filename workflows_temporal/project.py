"""Pictures or clips of a whole project: one model after the other, failures as values."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.batches import BatchActivities
from studio.contracts.progress import Stage
from studio.contracts.sentence import (
    BatchCarry,
    ProjectProgress,
    ProjectRequest,
    ProjectResult,
    SentenceOutcome,
    SentenceStanding,
    SentenceToMake,
)
from studio.contracts.texts import markdown
from workflows_temporal.addresses import CHANNEL
from workflows_temporal.history import hear_cancellation, is_long, show
from workflows_temporal.inbound import fitted
from workflows_temporal.policies import CHECK, SENTENCES_IN_FLIGHT, titled
from workflows_temporal.sentence import try_sentence
from workflows_temporal.stops import STOPPED, Stops

_MOST_SHOWN = 20
"""Failures that the web UI shows: its field has room for 20,000 characters."""


@workflow.defn
class ProjectWorkflow:
    """Makes the pictures or the clips of a project's sentences: of those that are dirty, or of those that are named."""

    @workflow.init
    @fitted
    def __init__(self, request: ProjectRequest) -> None:
        self._request = request
        self._standings: dict[str, SentenceStanding] = {}
        self._outcomes: list[SentenceOutcome] = []
        self._stops = Stops[str]()
        for outcome in request.carried.outcomes if request.carried else ():
            self._end(outcome)

    @workflow.run
    async def run(self, request: ProjectRequest) -> ProjectResult:
        workflow.upsert_search_attributes([CHANNEL.value_set(request.channel)])
        sentence_ids = request.carried.left if request.carried else await self._choose()
        for sentence_id in sentence_ids:
            self._tell(sentence_id, Stage.QUEUED)
        left = await self._make(sentence_ids)
        if left:
            await hear_cancellation()
            carried = BatchCarry(left=left, outcomes=tuple(self._outcomes))
            workflow.continue_as_new(request.model_copy(update={"carried": carried}))
        return self._result()

    @workflow.signal
    def stop(self, sentence_id: str) -> None:
        """Stop this sentence's render, as if it had failed; the others go on. One that is rendered is kept."""
        standing = self._standings.get(sentence_id)
        if standing is not None and standing.stage is not Stage.KEEPING:
            self._stops.stop(sentence_id)

    @workflow.query
    def progress(self) -> ProjectProgress:
        """How the batch stands."""
        return ProjectProgress(
            channel=self._request.channel,
            project_id=self._request.project_id,
            category=self._request.category,
            total=len(self._standings),
            done=self._count(Stage.DONE),
            failed=self._count(Stage.FAILED),
            sentences=list(self._standings.values()),
        )

    async def _choose(self) -> tuple[str, ...]:
        policy = titled(CHECK, "what is to be made")
        try:
            batch = await workflow.execute_activity_method(BatchActivities.choose_sentences, self._request, **policy)
        except ActivityError as error:
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None
            raise
        return batch.sentence_ids

    async def _make(self, sentence_ids: tuple[str, ...]) -> tuple[str, ...]:
        """They join the queue of the GPU one after the other, so that a server need not change models to and fro.

        Returns those that a run whose history is long leaves to its next one.
        """
        window, turns, left = asyncio.Semaphore(SENTENCES_IN_FLIGHT), asyncio.Lock(), list[str]()

        async def make(sentence_id: str) -> SentenceOutcome | None:
            async with window:
                if is_long():
                    return None
                wanted = self._wanted(sentence_id)
                return await try_sentence(wanted, lambda stage: self._tell(sentence_id, stage), turns)

        async def run_sentence(sentence_id: str) -> None:
            outcome = await self._stops.unless_stopped(sentence_id, make(sentence_id), _stopped(sentence_id))
            if outcome is None:
                left.append(sentence_id)
            else:
                self._end(outcome)

        # Waits for every one of them, also when the batch is cancelled: a GPU has to stop first.
        for end in await asyncio.gather(*map(run_sentence, sentence_ids), return_exceptions=True):
            if isinstance(end, BaseException):
                raise end
        return tuple(left)

    def _wanted(self, sentence_id: str) -> SentenceToMake:
        return SentenceToMake(
            channel=self._request.channel,
            project_id=self._request.project_id,
            sentence_id=sentence_id,
            category=self._request.category,
            force=self._request.force,
        )

    def _end(self, outcome: SentenceOutcome) -> None:
        self._outcomes.append(outcome)
        stage = Stage.DONE if outcome.status == "done" else Stage.FAILED
        self._tell(outcome.sentence_id, stage, outcome.error or "")

    def _tell(self, sentence_id: str, stage: Stage, note: str = "") -> None:
        self._standings[sentence_id] = SentenceStanding(sentence_id=sentence_id, stage=stage, note=note)
        failed = [outcome for outcome in self._outcomes if outcome.status == "failed"]
        rows = [
            f"- {failure.sentence_id}: {markdown(' '.join((failure.error or '').split()))}"
            for failure in failed[:_MOST_SHOWN]
        ]
        show("\n".join([f"**{self._summary()}**", "", *rows]))

    def _count(self, stage: Stage) -> int:
        return sum(standing.stage is stage for standing in self._standings.values())

    def _summary(self) -> str:
        done, failed = self._count(Stage.DONE), self._count(Stage.FAILED)
        return f"{done} of {len(self._standings)} done, {failed} failed"

    def _result(self) -> ProjectResult:
        return ProjectResult(
            channel=self._request.channel,
            project_id=self._request.project_id,
            category=self._request.category,
            done=self._count(Stage.DONE),
            reused=sum(outcome.reused for outcome in self._outcomes),
            failed=self._count(Stage.FAILED),
            summary=self._summary(),
            outcomes=self._outcomes,
        )


def _stopped(sentence_id: str) -> SentenceOutcome:
    return SentenceOutcome(sentence_id=sentence_id, status="failed", error_type=STOPPED, error="stopped")
