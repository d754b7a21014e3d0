"""Telling others how a film stands."""

from studio.contracts.base import Contract
from studio.contracts.film import VideoStatus


class StatusNotice(Contract):
    """A page, and the status it should show."""

    page: str
    status: VideoStatus
    channel: str
    video_id: str
    revision: int
    final: bool = False
