"""Pictures or clips of a whole project: one model after the other, failures as values."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from activities.batches import BatchActivities
from studio.contracts.progress import Stage
from studio.contracts.sentence import (
    ProjectProgress,
    ProjectRequest,
    ProjectResult,
    SentenceOutcome,
    SentenceStanding,
    SentenceToMake,
)
from workflows_temporal.addresses import CHANNEL
from workflows_temporal.policies import CHECK, SENTENCES_IN_FLIGHT, titled
from workflows_temporal.sentence import try_sentence

_MOST_SHOWN = 20
"""Failures that the web UI shows: its field has room for 20,000 characters."""


@workflow.defn
class ProjectWorkflow:
    """Makes the pictures or the clips of a project's sentences: of those that are dirty, or of those that are named."""

    @workflow.init
    def __init__(self, request: ProjectRequest) -> None:
        self._request = request
        self._standings: dict[str, SentenceStanding] = {}
        self._failures: list[SentenceOutcome] = []

    @workflow.run
    async def run(self, request: ProjectRequest) -> ProjectResult:
        workflow.upsert_search_attributes([CHANNEL.value_set(request.channel)])
        sentence_ids = await self._choose()
        for sentence_id in sentence_ids:
            self._tell(sentence_id, Stage.QUEUED)
        return self._result(await self._make(sentence_ids))

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

    async def _make(self, sentence_ids: tuple[str, ...]) -> list[SentenceOutcome]:
        """They join the queue of the GPU one after the other, so that a server need not change models to and fro."""
        window, turns = asyncio.Semaphore(SENTENCES_IN_FLIGHT), asyncio.Lock()

        async def make(sentence_id: str) -> SentenceOutcome:
            async with window:
                outcome = await try_sentence(self._wanted(sentence_id), lambda s: self._tell(sentence_id, s), turns)
            if outcome.status == "failed":
                self._fail(outcome)
            return outcome

        # Waits for every one of them, also when the batch is cancelled: a GPU has to stop first.
        ends = await asyncio.gather(*map(make, sentence_ids), return_exceptions=True)
        return [_ended(end) for end in ends]

    def _wanted(self, sentence_id: str) -> SentenceToMake:
        return SentenceToMake(
            channel=self._request.channel,
            project_id=self._request.project_id,
            sentence_id=sentence_id,
            category=self._request.category,
            force=self._request.force,
        )

    def _fail(self, outcome: SentenceOutcome) -> None:
        self._failures.append(outcome)
        note = outcome.error or ""
        standing = SentenceStanding(sentence_id=outcome.sentence_id, stage=Stage.FAILED, note=note)
        self._standings[outcome.sentence_id] = standing
        self._show()

    def _tell(self, sentence_id: str, stage: Stage) -> None:
        self._standings[sentence_id] = SentenceStanding(sentence_id=sentence_id, stage=stage)
        self._show()

    def _show(self) -> None:
        rows = [f"- {failure.sentence_id}: {failure.error}" for failure in self._failures[:_MOST_SHOWN]]
        workflow.set_current_details("\n".join([f"**{self._summary()}**", "", *rows]))

    def _count(self, stage: Stage) -> int:
        return sum(standing.stage is stage for standing in self._standings.values())

    def _summary(self) -> str:
        done, failed = self._count(Stage.DONE), self._count(Stage.FAILED)
        return f"{done} of {len(self._standings)} done, {failed} failed"

    def _result(self, outcomes: list[SentenceOutcome]) -> ProjectResult:
        return ProjectResult(
            channel=self._request.channel,
            project_id=self._request.project_id,
            category=self._request.category,
            done=self._count(Stage.DONE),
            reused=sum(outcome.reused for outcome in outcomes),
            failed=len(self._failures),
            summary=self._summary(),
            outcomes=outcomes,
        )


def _ended(end: SentenceOutcome | BaseException) -> SentenceOutcome:
    if isinstance(end, BaseException):
        raise end
    return end
