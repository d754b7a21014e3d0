"""Renders that failed for good on a server: how often they are tried again, and after what pause."""

from datetime import timedelta

from activities._comfy_news import RenderNews
from studio.errors import (
    DownloadBroken,
    GenerationFailed,
    ServerBusy,
    ServerGone,
    StorageUnavailable,
    StudioError,
)

MOST_FAILURES = 3
"""How often a render may fail for good on servers before its clip has failed."""
ELSEWHERE = timedelta(seconds=1)
"""Pause before a render that lost its server is tried again, perhaps by a worker with another one, and before the
first new try at a download: the file is there, and nothing is heavy about it."""


def counted(error: StudioError, news: RenderNews, rest: timedelta) -> StudioError:
    """The error to raise, with its pause; another when it came too often. A server that is away is no failure.

    `rest`: the pause after the first failure; it doubles every time.
    """
    if isinstance(error, (ServerGone, ServerBusy)):
        error.retry_after = ELSEWHERE
    if not error.retryable or isinstance(error, (ServerGone, ServerBusy, StorageUnavailable)):
        return error
    failures = news.state.failures + 1
    news.tell(failures=failures)
    if failures >= MOST_FAILURES:
        return GenerationFailed(f"{error}: {failures} tries")
    error.retry_after = (ELSEWHERE if isinstance(error, DownloadBroken) else rest) * 2 ** (failures - 1)
    return error
