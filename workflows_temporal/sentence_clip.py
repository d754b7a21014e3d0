"""A sentence's clip, made of its picture."""

from temporalio import workflow

from studio.contracts.model import ModelCategory
from studio.contracts.sentence import SentenceOutcome, SentenceRequest, SentenceStanding
from workflows_temporal.inbound import fitted
from workflows_temporal.sentence import Single


@workflow.defn
class ClipWorkflow:
    """Makes one sentence's clip, as long as its speech, unless it has one that fits. The picture has to be there."""

    @workflow.init
    @fitted
    def __init__(self, request: SentenceRequest) -> None:
        self._single = Single(request, ModelCategory.VIDEO)

    @workflow.run
    async def run(self, request: SentenceRequest) -> SentenceOutcome:
        return await self._single.make()

    @workflow.query
    def progress(self) -> SentenceStanding:
        """How far it is. What the render does in detail is told live, as news."""
        return self._single.standing
