"""A database that goes away and comes back."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from local.postgres import start_postgres
from studio.errors import DatabaseUnavailable
from studio.store.migrate import migrate
from studio.store.pool import Database, open_database
from tests.databases import start_in_place_of
from tests.studio_at_work import eventually


async def is_unavailable(database: Database) -> bool:
    """Whether a statement says so; it may say nothing else of a database that is down."""
    try:
        async with database.transaction() as connection:
            await connection.fetchval("select count(*) from videos")
    except DatabaseUnavailable:
        return True
    return False


async def test_a_database_that_is_down_is_said_in_one_way_and_comes_back_without_a_restart(tmp_path: Path) -> None:
    server = await start_postgres(tmp_path / "data", logs=tmp_path)
    url = await server.ensure_database("videos")
    async with open_database(url) as database:
        await migrate(database)
        await server.process.kill()
        await eventually(lambda: is_unavailable(database), bool)  # sessions outlive their server by a moment
        again = await start_in_place_of(server, tmp_path)
        async with database.transaction() as connection:
            assert await connection.fetchval("select count(*) from videos") == 0
        await again.stop()


async def test_a_worker_can_start_before_its_database(tmp_path: Path) -> None:
    async with open_database("postgresql://u:p@127.0.0.1:1/none") as database:
        with pytest.raises(DatabaseUnavailable):
            await migrate(database)


async def test_workers_that_start_together_migrate_once(tmp_path: Path) -> None:
    server = await start_postgres(tmp_path / "data", logs=tmp_path)
    url = await server.ensure_database("videos")
    async with open_database(url) as one, open_database(url) as other:
        applied = await asyncio.gather(migrate(one), migrate(other))
    assert sorted(len(names) for names in applied) == [0, len(max(applied, key=len))]
    assert max(applied, key=len)
    await server.stop()


MAY_PASS = (
    "53100 53200 53300 53400 42501 55P03 55006 57014 57P01 57P03 40P01 40001 40003 58030 58000 08006 25006 25P03 "
    "26000 0A000 0B000 54000 72000 F0000 P0001 XX000 XX001 28P01 3D000"
).split()
OUR_STATEMENT = "22000 22P02 22003 22021 23000 23502 23503 23505 23514 42601 42703 42P01 42883 42804".split()


async def answer(database: Database, sqlstate: str) -> BaseException:
    """What a statement raises that PostgreSQL answers with this SQLSTATE."""
    with pytest.raises(Exception) as caught:
        async with database.transaction() as connection:
            await connection.execute(f"do $$ begin raise exception 'no' using errcode = '{sqlstate}'; end $$")
    return caught.value


async def test_whatever_postgresql_answers_is_unavailable_unless_it_is_about_our_statement(database: Database) -> None:
    told = {sqlstate: await answer(database, sqlstate) for sqlstate in MAY_PASS + OUR_STATEMENT}
    retryable = [state for state, error in told.items() if isinstance(error, DatabaseUnavailable)]
    assert retryable == MAY_PASS
    assert all(isinstance(told[state], asyncpg.PostgresError) for state in OUR_STATEMENT)
    assert all(state in str(told[state]) for state in MAY_PASS)
    assert "No space left" in str(told["53100"])
    pauses = {state: error.retry_after for state in MAY_PASS if isinstance(error := told[state], DatabaseUnavailable)}
    soon = [state for state, pause in pauses.items() if pause == timedelta(seconds=1)]
    assert soon == ["55P03", "57014", "40P01", "40001", "40003"], "another transaction was in the way"
    assert all(pause is not None and pause <= timedelta(seconds=5) for pause in pauses.values())


async def test_a_value_that_cannot_be_sent_is_about_our_statement(database: Database) -> None:
    """Repeating it would never end."""
    with pytest.raises(asyncpg.DataError):
        async with database.transaction() as connection:
            await connection.fetchval("select $1::int", "no number")
    with pytest.raises(asyncpg.PostgresError):
        async with database.transaction() as connection:
            await connection.fetchval("select $1::json", "{")
