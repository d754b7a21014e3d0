"""Pictures and clips by ComfyUI graphs that are there, by the digest of what they are made from."""

from collections.abc import Iterable

from studio.contracts.take import Render, RenderedFile, RenderParts
from studio.store.pool import Database

# The first one stays: whoever brings a second file for the same take brings the same thing again.
_KEEP = """
insert into renders (channel, take, parts, file, seconds) values ($1, $2, $3, $4, $5)
on conflict (channel, take) do nothing
"""
_FINISHED = "select take, parts, file, seconds, made_at from renders where channel = $1 and take = any($2)"


class RenderStore:
    """Reads and writes finished renders."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(
        self, channel: str, take: str, parts: RenderParts, file: RenderedFile, *, seconds: float = 0
    ) -> RenderedFile:
        """The take is there. Returns its file: this one, or the one that was there before."""
        async with self._database.transaction() as connection:
            await connection.execute(_KEEP, channel, take, parts.model_dump_json(), file.model_dump_json(), seconds)
            kept = await connection.fetchval("select file from renders where channel = $1 and take = $2", channel, take)
        return RenderedFile.model_validate_json(kept)

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
