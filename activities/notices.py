"""Telling others how a video stands: Notion."""

import asyncio

import structlog
from temporalio import activity
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from studio.contracts.notice import StatusNotice
from studio.providers.notion import NotionClient
from studio.store.paces import PaceStore

_log = structlog.get_logger()


class NoticeActivities:
    """Hands notices over, and delivers them. Without Notion both do nothing."""

    def __init__(self, client: Client, notion: NotionClient | None, paces: PaceStore, *, per_second: float) -> None:
        self._client = client
        self._notion = notion
        self._paces = paces
        self._per_second = per_second

    @activity.defn
    async def post_notice(self, notice: StatusNotice) -> None:
        """Give a notice to the video's own `NoticeWorkflow`, which is made when it is not there.

        The video goes on at once: whether Notion answers is no concern of his.
        """
        if self._notion is None:
            return
        info = activity.info()
        await self._client.start_workflow(
            "NoticeWorkflow",
            id=f"notice/{notice.channel}/{notice.video_id}",
            task_queue=info.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
            start_signal="post",
            start_signal_args=[notice],
        )

    @activity.defn
    async def set_notion_status(self, notice: StatusNotice) -> None:
        """Set the page's status, at a moment that no other worker has for his request."""
        if self._notion is None:
            return
        wait = await self._paces.reserve("notion", per_second=self._per_second)
        await asyncio.sleep(wait.total_seconds())
        await self._notion.set_status(notice.page, notice.status.replace("_", " ").title())
        _log.info("notion.status_set", status=notice.status)
