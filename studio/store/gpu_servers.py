"""Which ComfyUI servers have a worker, and how they are: told by the workers themselves, every few seconds."""

from datetime import timedelta

from studio.contracts.rendering import GpuServer
from studio.store.pool import Database

SEEN_WITHIN = timedelta(seconds=60)
"""Whoever has told nothing for so long is not there: workers tell every twenty seconds."""

_TELL = """
insert into gpu_servers (name, worker, busy, away) values ($1, $2, $3, $4)
on conflict (name) do update set worker = $2, busy = $3, away = $4, seen_at = now()
"""
_THERE = "select name, worker, busy, away, seen_at from gpu_servers where seen_at > now() - $1::interval order by name"


class GpuServerStore:
    """Reads and writes the list."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tell(self, name: str, worker: str, *, busy: bool, away: str) -> None:
        """This server has this worker now. `away`: why it cannot be used, empty when it can."""
        async with self._database.transaction() as connection:
            await connection.execute(_TELL, name, worker, busy, away)

    async def there(self, *, within: timedelta = SEEN_WITHIN) -> list[GpuServer]:
        """The servers whose workers live, those that are away as well."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_THERE, within)
        return [GpuServer.model_validate(dict(row)) for row in rows]
