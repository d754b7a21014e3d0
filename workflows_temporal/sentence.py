"""One sentence's picture or clip, made by a workflow of its own: the way of both, and its failure as a value."""

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.sentence import (
    SentenceOutcome,
    SentenceRequest,
    SentenceStanding,
    SentenceToMake,
)
from workflows_temporal.addresses import CHANNEL
from workflows_temporal.outcome import kind_of, reason_of
from workflows_temporal.policies import SENTENCE_OF_BATCH, SINGLE_SENTENCE
from workflows_temporal.render import Tell, make_sentence


class Single:
    """A sentence that is made by itself."""

    def __init__(self, request: SentenceRequest, category: ModelCategory) -> None:
        self.standing = SentenceStanding(sentence_id=request.sentence_id, stage=Stage.QUEUED)
        self._wanted = to_make(request, category)

    async def make(self) -> SentenceOutcome:
        """Make it. What fails it fails the workflow, under its own type and with its own words."""
        workflow.upsert_search_attributes([CHANNEL.value_set(self._wanted.channel)])
        try:
            outcome = await make_sentence(self._wanted, self._tell, asyncio.Lock(), priority=SINGLE_SENTENCE)
        except asyncio.CancelledError:
            self._tell(Stage.CANCELLED)
            raise
        except ActivityError as error:
            if is_cancelled_exception(error):
                self._tell(Stage.CANCELLED)
                raise
            self._tell(Stage.FAILED, reason_of(error))
            if isinstance(error.cause, ApplicationError):
                raise error.cause from None
            raise
        self._tell(Stage.DONE)
        return outcome

    def _tell(self, stage: Stage, note: str = "") -> None:
        self.standing = SentenceStanding(sentence_id=self.standing.sentence_id, stage=stage, note=note)
        workflow.set_current_details(f"**{stage}**")


def to_make(request: SentenceRequest, category: ModelCategory) -> SentenceToMake:
    """The order for a sentence's picture or clip."""
    return SentenceToMake(
        channel=request.channel,
        project_id=request.project_id,
        sentence_id=request.sentence_id,
        force=request.force,
        category=category,
    )


async def try_sentence(wanted: SentenceToMake, tell: Tell, turns: asyncio.Lock) -> SentenceOutcome:
    """The same for one of many: its failure is a value. Being cancelled is not."""
    try:
        return await make_sentence(wanted, tell, turns, priority=SENTENCE_OF_BATCH)
    except ActivityError as error:
        if is_cancelled_exception(error):
            raise
        return SentenceOutcome(
            sentence_id=wanted.sentence_id,
            status="failed",
            error_type=kind_of(error),
            error=reason_of(error),
        )
