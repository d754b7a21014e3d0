"""A `VideoWorkflow` whose next run never fits: requests that fit themselves leave no way to reach that bound."""

from temporalio import workflow

from studio.contracts.video import VideoRequest, VideoResult
from workflows_temporal.inbound import fitted
from workflows_temporal.video import VideoWorkflow


@workflow.defn(name="VideoWorkflow")
class TightVideoWorkflow(VideoWorkflow):
    """The same workflow with another bound."""

    most_bytes = 500

    @workflow.init
    @fitted
    def __init__(self, request: VideoRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: VideoRequest) -> VideoResult:
        return await super().run(request)
