"""Telling others how a film stands."""

from studio.contracts.base import Contract
from studio.contracts.film import VideoStatus
from studio.contracts.texts import NotionPage


class StatusNotice(Contract):
    """A page, and the status it should show."""

    page: NotionPage
    status: VideoStatus
    channel: str
    video_id: str
    revision: int
    final: bool = False
