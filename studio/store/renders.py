"""Pictures and clips by ComfyUI graphs that are there, by the digest of what they are made from."""

from collections.abc import Iterable

from studio.contracts.take import Render, RenderedFile, RenderParts
from studio.store.pool import Database

# Files of takes are never overwritten. So another file of the same take means that the first one was lost.
_KEEP = """
insert into renders as r (channel, take, parts, file, seconds) values ($1, $2, $3, $4, $5)
on conflict (channel, take) do update
   set file = excluded.file, seconds = excluded.seconds, made_at = now()
 where r.file -> 'media' ->> 'sha256' <> excluded.file -> 'media' ->> 'sha256'
"""
_FORGET = "delete from renders where channel = $1 and take = $2 and file -> 'media' ->> 'sha256' = $3"
_FINISHED = "select take, parts, file, seconds, made_at from renders where channel = $1 and take = any($2)"


class RenderStore:
    """Reads and writes finished renders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, channel: str, take: str, parts: RenderParts, file: RenderedFile, *, seconds: float = 0
    ) -> None:
        """The take is there, and this is its file, as it lies in the store. May be repeated."""
        async with self._database.transaction() as connection:
            await connection.execute(_KEEP, channel, take, parts.model_dump_json(), file.model_dump_json(), seconds)

    async def forget(self, channel: str, take: str, file: RenderedFile) -> None:
        """This file is not in the store any more: the take can be made again. Another file of it stays."""
        async with self._database.transaction() as connection:
            await connection.execute(_FORGET, channel, take, file.media.sha256)

    async def finished(self, channel: str, takes: Iterable[str]) -> dict[str, Render]:
        """Those of these takes that are there."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_FINISHED, channel, list(takes))
        return {
            row["take"]: Render(
                take=row["take"],
                parts=RenderParts.model_validate_json(row["parts"]),
                file=RenderedFile.model_validate_json(row["file"]),
                seconds=row["seconds"],
                made_at=row["made_at"],
            )
            for row in rows
        }
