"""Videos' rows held against what Temporal knows: ends that none of our code wrote, and runs that were begun again.

A row is changed only while it is the one that was compared: a later write of a workflow always wins.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from studio.contracts.execution import Execution
from studio.contracts.video import OPEN_STATUSES, VideoResult, VideoStatus
from studio.store.costs import write_total
from studio.store.pool import Database
from studio.store.videos import VideoStore

SETTLES_WITHIN = timedelta(seconds=30)
"""A row may lag behind its workflow for so long, and a workflow behind its row, without anything being wrong."""
GONE = (
    "Temporal does not know its workflow: never started, deleted, or gone with its retention - "
    "`video resume` makes what is missing"
)

_OPEN = list(OPEN_STATUSES)

# Where the workflow wrote the end itself, its own message stays; a row of a run before is no such end.
_END = """
insert into videos (channel, video_id, workflow_id, provider, status, message, clip_count, revision)
values ($1, $2, $3, '', $4, $5, 0, $6)
on conflict (channel, video_id) do update
   set status = excluded.status, message = excluded.message, revision = excluded.revision, updated_at = now()
 where videos.revision <= excluded.revision
   and ((videos.status = any($7) and videos.status <> excluded.status) or videos.revision < $8)
returning status
"""

_REVIVE = """
update videos set status = $3, message = '', updated_at = now()
 where channel = $1 and video_id = $2 and revision = $4 and status <> all($5) and updated_at < now() - $6::interval
returning status
"""

_LOSE = """
update videos set status = $3, message = $4, updated_at = now()
 where channel = $1 and video_id = $2 and revision = $5 and status = any($6) and updated_at < now() - $7::interval
returning status
"""

_HAND_OUT = """
update videos set checked_at = now()
 where (channel, video_id) in (
       select channel, video_id from videos where status = any($1) and checked_at < now() - $2::interval
        order by checked_at limit $3 for update skip locked)
returning channel, video_id, workflow_id, status, revision
"""

_LEASE = """
insert into leases (name, until) values ($1, now() + $2)
on conflict (name) do update set until = excluded.until where leases.until <= now()
returning name
"""


@dataclass(frozen=True)
class Compared:
    """A row as it was when it was compared with its workflow."""

    channel: str
    video_id: str
    workflow_id: str
    status: VideoStatus
    revision: int


class VideoEndings:
    """Brings rows of videos up to date with Temporal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, name: str, period: timedelta) -> bool:
        """Take work that one process does per period; False: another one has it."""
        async with self._database.transaction() as connection:
            return await connection.fetchval(_LEASE, name, period) is not None

    async def hand_out(self, *, every: timedelta, limit: int) -> list[Compared]:
        """Rows of videos that have not ended, those first that were compared least recently."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_HAND_OUT, _OPEN, every, limit)
        return [_compared(row) for row in rows]

    async def rows(self, workflow_ids: Sequence[str]) -> dict[str, Compared]:
        """The rows of these workflows that there are."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "select channel, video_id, workflow_id, status, revision from videos where workflow_id = any($1)",
                list(workflow_ids),
            )
        return {row["workflow_id"]: _compared(row) for row in rows}

    async def write(
        self,
        execution: Execution | None,
        row: Compared | None,
        result: Callable[[str], Awaitable[VideoResult | None]],
    ) -> bool:
        """Bring a row up to date with its workflow's newest run; True when that changed it, or made one.

        Args:
            execution: None: Temporal knows no such workflow.
            row: as it was before the run was looked at; None: there was none.
            result: gives what a run that completed returned.
        """
        if execution is None:
            return row is not None and await self._lose(row)
        if execution.running:
            contradicts = row is not None and row.status.ended and not execution.status.ended
            return row is not None and contradicts and await self._revive(row, execution.status)
        if execution.status is not VideoStatus.VIDEO_READY:
            return await self._end(execution)
        if row is None or row.status.ended:
            return False
        if (made := await result(execution.workflow_id)) is None:
            return False
        revision = max(execution.closed, row.revision)
        await VideoStore(self._database).close(made, VideoStatus.VIDEO_READY, revision)
        return True

    async def _end(self, execution: Execution) -> bool:
        """How a run ended that could not write it itself."""
        return await self._change(
            _END,
            execution.channel,
            execution.video_id,
            execution.workflow_id,
            execution.status,
            execution.message,
            execution.closed,
            _OPEN,
            execution.started,
        )

    async def _revive(self, row: Compared, status: VideoStatus) -> bool:
        """The video runs, though its row says that it has ended: its workflow was reset."""
        return await self._change(_REVIVE, row.channel, row.video_id, status, row.revision, _OPEN, SETTLES_WITHIN)

    async def _lose(self, row: Compared) -> bool:
        """Temporal does not know the workflow. A row that was written just now may be ahead of its start."""
        values = (VideoStatus.GONE, GONE, row.revision, _OPEN, SETTLES_WITHIN)
        return await self._change(_LOSE, row.channel, row.video_id, *values)

    async def _change(self, statement: str, channel: str, video_id: str, *values: object) -> bool:
        async with self._database.transaction() as connection:
            changed = await connection.fetchval(statement, channel, video_id, *values)
            if changed is not None:
                await write_total(connection, channel, video_id)
        return changed is not None


def _compared(row: object) -> Compared:
    values = dict(row)  # type: ignore[call-overload]  # an asyncpg.Record
    return Compared(**values | {"status": VideoStatus(values["status"])})
