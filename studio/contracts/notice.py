"""Telling others how a video stands."""

from studio.contracts.base import Contract
from studio.contracts.texts import NotionPage
from studio.contracts.video import VideoStatus


class StatusNotice(Contract):
    """A page, and the status it should show."""

    page: NotionPage
    status: VideoStatus
    channel: str
    video_id: str
    revision: int
    final: bool = False
