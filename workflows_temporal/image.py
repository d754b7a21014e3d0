"""A sentence's picture."""

from temporalio import workflow

from studio.contracts.model import ModelCategory
from studio.contracts.sentence import SentenceOutcome, SentenceRequest, SentenceStanding
from workflows_temporal.inbound import fitted
from workflows_temporal.sentence import Single


@workflow.defn
class ImageWorkflow:
    """Makes one sentence's picture, unless it has one that fits."""

    @workflow.init
    @fitted
    def __init__(self, request: SentenceRequest) -> None:
        self._single = Single(request, ModelCategory.IMAGE)

    @workflow.run
    async def run(self, request: SentenceRequest) -> SentenceOutcome:
        return await self._single.make()

    @workflow.query
    def progress(self) -> SentenceStanding:
        """How far it is. What the render does in detail is told live, as news."""
        return self._single.standing
