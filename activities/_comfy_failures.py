"""Renders that failed on a server: whether they are tried again, where, how often, and after what pause."""

from datetime import timedelta

from temporalio import activity

from activities._comfy_news import RenderNews
from activities._comfy_servers import ComfyServers
from studio.contracts.rendering import GpuServer
from studio.errors import (
    DownloadBroken,
    GenerationFailed,
    GraphRefused,
    RenderStuck,
    ServerBusy,
    ServerGone,
    ServerUnfit,
    StorageUnavailable,
    StudioError,
)

MOST_FAILURES = 3
"""How often a render may fail for good on servers before its clip has failed."""
ELSEWHERE = timedelta(seconds=1)
"""Pause before a render that lost its server is tried again, perhaps by a worker with another one, and before the
first new try at a download: the file is there, and nothing is heavy about it."""
LONGEST_UNFIT = timedelta(seconds=30)
"""Longest pause before a render that this server cannot make is offered again: those that can may be busy for long."""


async def judged(error: StudioError, news: RenderNews, servers: ComfyServers, rest: timedelta) -> StudioError:
    """The error to raise, with its pause; another when it came too often, or when another server may do better.

    `rest`: the pause after the first failure that may pass; it doubles every time.
    """
    if isinstance(error, GraphRefused):
        return await _refused(error, news, servers)
    if not error.retryable or isinstance(error, StorageUnavailable) or error.retry_after is not None:
        return error
    if isinstance(error, (ServerGone, ServerBusy)):  # no failure
        error.retry_after = ELSEWHERE
    else:
        failures = news.state.failures + 1
        news.tell(failures=failures)
        if failures >= MOST_FAILURES:
            return GenerationFailed(f"{error}: {failures} tries")
        error.retry_after = (ELSEWHERE if isinstance(error, DownloadBroken) else rest) * 2 ** (failures - 1)
    if isinstance(error, (ServerGone, ServerBusy, ServerUnfit, RenderStuck)):
        servers.leave_it_to_others((error.retry_after + ELSEWHERE).total_seconds())
    return error


async def ensure_fit(news: RenderNews, servers: ComfyServers) -> None:
    """A render that this server has refused waits for those that have not been asked yet.

    Raises:
        ServerUnfit: there are such servers.
    """
    if servers.name in news.state.refused_by and (left := await servers.others(news.state.refused_by)):
        raise _unfit("This ComfyUI server cannot make it", left, servers)


async def _refused(refusal: GraphRefused, news: RenderNews, servers: ComfyServers) -> StudioError:
    """What one server lacks another one may have. Each is asked once."""
    refused_by = {*news.state.refused_by, news.state.server or servers.name}
    news.tell(refused_by=tuple(sorted(refused_by)))
    left = await servers.others(refused_by)
    return _unfit(str(refusal), left, servers) if left else refusal


def _unfit(why: str, others: list[GpuServer], servers: ComfyServers) -> ServerUnfit:
    """Short pauses at first: who is free takes it, if this worker does not."""
    error = ServerUnfit(f"{why} - It waits for {', '.join(other.name for other in others)}")
    error.retry_after = min(ELSEWHERE * 2 ** min(activity.info().attempt - 1, 10), LONGEST_UNFIT)
    servers.leave_it_to_others((error.retry_after + ELSEWHERE).total_seconds())
    return error
