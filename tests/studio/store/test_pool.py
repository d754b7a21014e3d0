"""A database that goes away and comes back."""

import asyncio
from pathlib import Path

import pytest

from local.postgres import start_postgres
from studio.errors import DatabaseUnavailable
from studio.store.migrate import migrate
from studio.store.pool import open_database


async def test_a_database_that_is_down_is_said_in_one_way_and_comes_back_without_a_restart(tmp_path: Path) -> None:
    server = await start_postgres(tmp_path / "data", logs=tmp_path)
    url = await server.ensure_database("films")
    async with open_database(url) as database:
        await migrate(database)
        await server.process.kill()
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as connection:
                await connection.fetchval("select count(*) from films")
        again = await start_postgres(tmp_path / "data", logs=tmp_path, port=server.port)
        async with database.transaction() as connection:
            assert await connection.fetchval("select count(*) from films") == 0
        await again.stop()


async def test_a_worker_can_start_before_its_database(tmp_path: Path) -> None:
    async with open_database("postgresql://u:p@127.0.0.1:1/none") as database:
        with pytest.raises(DatabaseUnavailable):
            await migrate(database)


async def test_workers_that_start_together_migrate_once(tmp_path: Path) -> None:
    server = await start_postgres(tmp_path / "data", logs=tmp_path)
    url = await server.ensure_database("films")
    async with open_database(url) as one, open_database(url) as other:
        applied = await asyncio.gather(migrate(one), migrate(other))
    assert sorted(len(names) for names in applied) == [0, len(max(applied, key=len))]
    assert max(applied, key=len)
    await server.stop()
