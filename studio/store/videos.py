"""Videos and clips in PostgreSQL. Every write is an upsert that may be repeated and never goes back in time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from studio.contracts.clip import ClipOutcome, ClipStatus
from studio.contracts.video import (
    ClipProgress,
    RecalledVideo,
    VideoEnding,
    VideoProgress,
    VideoRequest,
    VideoResult,
    VideoStatus,
)
from studio.store.costs import write_total
from studio.store.pool import Database
from studio.store.takes import NEED_NOT_BE_FETCHED


@dataclass(frozen=True)
class VideoRow:
    """A video as lists show it."""

    channel: str
    video_id: str
    title: str
    provider: str
    status: str
    message: str
    clip_count: int
    clips_done: int
    total_cost_usd: Decimal
    video_key: str | None
    sheet_key: str | None
    updated_at: datetime


_OPEN = """
insert into videos (channel, video_id, workflow_id, title, provider, status, clip_count, revision, request, takes)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (channel, video_id) do update
   set workflow_id = excluded.workflow_id, title = excluded.title, provider = excluded.provider,
       status = excluded.status, message = '', clip_count = excluded.clip_count,
       revision = excluded.revision, request = excluded.request, takes = excluded.takes, updated_at = now()
 where videos.revision <= excluded.revision
"""

# A video that is started again begins with no clips; `resume` and continue-as-new do not come this way.
_FORGET_CLIPS = "delete from clips where channel = $1 and video_id = $2 and revision < $3"

_SET_STATUS = """
update videos
   set status = $3, message = $4, revision = $5, updated_at = now()
 where channel = $1 and video_id = $2 and revision <= $5
"""

_RECORD_CLIP = """
insert into clips (channel, video_id, number, status, media_key, sha256, size_bytes, frames, seconds, task_id,
                   cost_usd, generation_seconds, error_type, error, revision, take, outcome)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
on conflict (channel, video_id, number) do update
   set status = excluded.status, media_key = excluded.media_key, sha256 = excluded.sha256,
       size_bytes = excluded.size_bytes, frames = excluded.frames, seconds = excluded.seconds,
       task_id = excluded.task_id, cost_usd = excluded.cost_usd,
       generation_seconds = excluded.generation_seconds, error_type = excluded.error_type,
       error = excluded.error, revision = excluded.revision, take = excluded.take,
       outcome = excluded.outcome, updated_at = now()
 where clips.revision <= excluded.revision
"""

_CLOSE = """
update videos
   set status = $3, message = $4, video_key = $5, sheet_key = $6, seconds = $7, result = $8,
       revision = $9, updated_at = now()
 where channel = $1 and video_id = $2 and revision <= $9
"""

# Before its workflow is started, so that its name is known from then on. `open` writes the rest.
_ANNOUNCE = """
insert into videos (channel, video_id, workflow_id, title, provider, status, clip_count, revision)
values ($1, $2, $3, $4, $5, $6, $7, 0)
on conflict (channel, video_id) do nothing
"""

_END = """
insert into videos (channel, video_id, workflow_id, title, provider, status, message, clip_count, revision)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (channel, video_id) do update
   set status = excluded.status, message = excluded.message, revision = excluded.revision, updated_at = now()
 where videos.revision <= excluded.revision
"""

_ROWS = """
select f.channel, f.video_id, f.title, f.provider, f.status, f.message, f.clip_count,
       (select coalesce(sum(s.cost_usd), 0) from video_spending s
         where s.channel = f.channel and s.video_id = f.video_id) as total_cost_usd,
       f.video_key, f.sheet_key, f.updated_at,
       (select count(*) from clips c
         where c.channel = f.channel and c.video_id = f.video_id and c.status = 'done') as clips_done
  from videos f
 where ($1::text is null or f.channel = $1) and ($2::text is null or f.video_id = $2)
 order by f.updated_at desc
 limit $3
"""


_PROGRESS = """
select c.number, c.status, c.cost_usd, coalesce(c.error, '') as note, c.updated_at as since,
       (select coalesce(sum(s.tries), 0) from submissions s
         where s.channel = c.channel and s.video_id = c.video_id and s.number = c.number) as tries
  from clips c where c.channel = $1 and c.video_id = $2 order by c.number
"""


_OWN_TAKES = """
select distinct u.take from clip_takes u
 where u.channel = $1 and u.video_id = $2
   and not exists (select from clip_takes o
                    where o.channel = u.channel and o.take = u.take and o.video_id <> u.video_id)
"""


class VideoStore:
    """Reads and writes videos and clips."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self, request: VideoRequest, workflow_id: str, status: VideoStatus, revision: int, takes: Sequence[str]
    ) -> None:
        """Write a video down, and which take each clip is to have. Doing it again, or for another run, is fine."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _OPEN,
                request.channel,
                request.video_id,
                workflow_id,
                request.title,
                request.provider,
                status,
                len(request.clips),
                revision,
                request.model_dump_json(),
                list(takes),
            )
            await connection.execute(_FORGET_CLIPS, request.channel, request.video_id, revision)

    async def announce(self, request: VideoRequest, workflow_id: str) -> None:
        """Write the name of a video down that is about to be started; one that is there stays as it is."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _ANNOUNCE,
                request.channel,
                request.video_id,
                workflow_id,
                request.title,
                request.provider,
                VideoStatus.QUEUED,
                len(request.clips),
            )

    async def end(self, ending: VideoEnding, workflow_id: str) -> None:
        """Write down how a video ended that came to no result, whether or not it was opened."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _END,
                ending.channel,
                ending.video_id,
                workflow_id,
                ending.title,
                ending.provider,
                ending.status,
                ending.message,
                ending.clip_count,
                ending.revision,
            )

    async def set_status(self, channel: str, video_id: str, status: VideoStatus, message: str, revision: int) -> None:
        """Change how a video stands."""
        async with self._database.transaction() as connection:
            await connection.execute(_SET_STATUS, channel, video_id, status, message, revision)
            await write_total(connection, channel, video_id)

    async def record_clips(self, channel: str, video_id: str, outcomes: Sequence[ClipOutcome], revision: int) -> None:
        """Write down how clips ended."""
        rows = [_clip_row(channel, video_id, outcome, revision) for outcome in outcomes]
        async with self._database.transaction() as connection:
            await connection.executemany(_RECORD_CLIP, rows)
            await write_total(connection, channel, video_id)

    async def close(self, result: VideoResult, status: VideoStatus, revision: int) -> None:
        """Write down a finished video."""
        async with self._database.transaction() as connection:
            await connection.execute(
                _CLOSE,
                result.channel,
                result.video_id,
                status,
                result.summary,
                result.video.key,
                result.sheet.key,
                result.seconds,
                result.model_dump_json(),
                revision,
            )
            await write_total(connection, result.channel, result.video_id)

    async def recall(self, channel: str, video_id: str) -> RecalledVideo:
        """What was written down of a video that is being made: what one of its runs leaves to the next."""
        async with self._database.transaction() as connection:
            takes = await connection.fetchval(
                "select takes from videos where channel = $1 and video_id = $2", channel, video_id
            )
            rows = await connection.fetch(
                """select outcome from clips
                    where channel = $1 and video_id = $2 and outcome is not null order by number""",
                channel,
                video_id,
            )
        return RecalledVideo(
            takes=takes or [], outcomes=[ClipOutcome.model_validate_json(row["outcome"]) for row in rows]
        )

    async def request(self, channel: str, video_id: str) -> VideoRequest | None:
        """What a video was last asked to be; None when there is no such video."""
        async with self._database.transaction() as connection:
            request = await connection.fetchval(
                "select request from videos where channel = $1 and video_id = $2", channel, video_id
            )
        return None if request is None else VideoRequest.model_validate_json(request)

    async def progress(self, channel: str, video_id: str) -> VideoProgress | None:
        """The video as PostgreSQL knows it, for when its workflow cannot be asked; None when there is no such video."""
        video = next(iter(await self.find(channel=channel, video_id=video_id, limit=1)), None)
        if video is None:
            return None
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_PROGRESS, channel, video_id)
        return _progress(video, {row["number"]: ClipProgress.model_validate(dict(row)) for row in rows})

    async def own_takes(self, channel: str, video_id: str) -> list[str]:
        """The takes that no other video of the channel has used."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_OWN_TAKES, channel, video_id)
        return [row["take"] for row in rows]

    async def delete(self, channel: str, video_id: str, takes: Sequence[str]) -> None:
        """Delete a video's rows, and those of these takes. The ledger of its orders stays: they were paid."""
        async with self._database.transaction() as connection:
            await connection.execute("delete from clip_takes where channel = $1 and video_id = $2", channel, video_id)
            await connection.execute(NEED_NOT_BE_FETCHED, channel, list(takes))
            await connection.execute("delete from takes where channel = $1 and take = any($2)", channel, list(takes))
            await connection.execute("delete from videos where channel = $1 and video_id = $2", channel, video_id)
            await connection.execute("delete from budgets where scope = $1", f"video/{channel}/{video_id}")

    async def result(self, channel: str, video_id: str) -> VideoResult | None:
        """What came out of a video when it was last finished; None when it never was."""
        async with self._database.transaction() as connection:
            result = await connection.fetchval(
                "select result from videos where channel = $1 and video_id = $2", channel, video_id
            )
        return None if result is None else VideoResult.model_validate_json(result)

    @asynccontextmanager
    async def turn(self, channel: str, video_id: str) -> AsyncIterator[None]:
        """Whoever reads what a video is asked to be and asks for something else takes turns."""
        async with self._database.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 2))", f"{channel}/{video_id}")
            yield

    async def find(
        self, *, channel: str | None = None, video_id: str | None = None, limit: int = 100
    ) -> list[VideoRow]:
        """Videos, the last changed first."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_ROWS, channel, video_id, limit)
        return [VideoRow(**dict(row)) for row in rows]


def _progress(video: VideoRow, ended: Mapping[int, ClipProgress]) -> VideoProgress:
    """A clip without a row has not ended; in a video that has, it never will."""
    status = VideoStatus(video.status)
    rest = ClipStatus.CANCELLED if status.ended else ClipStatus.QUEUED
    clips = [
        ended.get(number, ClipProgress(number=number, status=rest, cost_usd=Decimal(0)))
        for number in range(1, video.clip_count + 1)
    ]
    return VideoProgress(
        channel=video.channel,
        video_id=video.video_id,
        status=status,
        step="has ended" if status.ended else "as last written down",
        total=video.clip_count,
        done=sum(clip.status is ClipStatus.DONE for clip in clips),
        failed=[clip.number for clip in ended.values() if clip.status is not ClipStatus.DONE],
        clips=clips,
        cost_usd=video.total_cost_usd,
        message=video.message,
    )


def _clip_row(channel: str, video_id: str, outcome: ClipOutcome, revision: int) -> tuple[object, ...]:
    file = outcome.file
    media = file.media if file else None
    return (
        channel,
        video_id,
        outcome.number,
        outcome.status,
        media.key if media else None,
        media.sha256 if media else None,
        media.size if media else None,
        file.frames if file else None,
        file.seconds if file else None,
        outcome.task_id,
        outcome.cost_usd,
        outcome.generation_seconds,
        outcome.error_type,
        outcome.error,
        revision,
        outcome.take,
        outcome.model_dump_json(),
    )
