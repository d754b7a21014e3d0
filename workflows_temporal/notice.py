"""Telling a page how its video stands, for as long as it takes: the newest word wins, the video never waits."""

from temporalio import workflow
from temporalio.exceptions import ActivityError

from activities.notices import NoticeActivities
from studio.contracts.notice import StatusNotice
from workflows_temporal.policies import NOTION


@workflow.defn
class NoticeWorkflow:
    """One page. It lives until its newest word is delivered, or refused for good."""

    def __init__(self) -> None:
        self._newest: StatusNotice | None = None

    @workflow.run
    async def run(self) -> None:
        delivered: StatusNotice | None = None
        while self._newest is not delivered:
            delivered = await self._deliver()

    @workflow.signal
    def post(self, notice: StatusNotice) -> None:
        """A new word. Older ones that come late are dropped."""
        if self._newest is None or notice.revision >= self._newest.revision:
            self._newest = notice

    async def _deliver(self) -> StatusNotice:
        """Deliver the newest word; when a newer one comes meanwhile, this one is not worth another try."""
        notice = self._newest
        assert notice is not None
        delivery = workflow.start_activity_method(NoticeActivities.set_notion_status, notice, **NOTION)
        await workflow.wait_condition(lambda: delivery.done() or self._newest is not notice)
        if not delivery.done():
            delivery.cancel()
        try:
            await delivery
        except ActivityError as error:
            workflow.logger.warning("notion.not_told", extra={"page": notice.page, "error": str(error.cause)})
        return notice
