"""A test's database is as new, whatever the test before did to it."""

import asyncpg
import pytest

from studio.store.pool import Database
from tests.databases import Databases

CHANGES = [
    "create table further (id int)",
    "alter table videos add column further int",
    "drop table paces",
    "revoke insert on videos from current_user",
    "alter table videos disable trigger all",
    "create function further() returns int language sql as 'select 1'",
    "alter role current_user in database {name} set statement_timeout = 5",
    "alter table takes add constraint further check (true) not valid",
]


async def everything(databases: Databases, name: str) -> dict[str, list[str]]:
    connection = await asyncpg.connect(databases.server.url(name))
    try:
        tables = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        rows = {
            table: [str(row) for row in await connection.fetch(f'select * from "{table}" order by 1')]
            for (table,) in tables
        }
        sequences = await connection.fetch("select sequencename, last_value from pg_sequences order by 1")
        return rows | {"sequences": [str(sequence) for sequence in sequences]}
    finally:
        await connection.close()


async def test_a_database_is_used_again_with_nothing_of_the_test_before_in_it(databases: Databases) -> None:
    name = await databases.take()
    new = await everything(databases, name)
    assert len(new["generation_models"]) > 1
    connection = await asyncpg.connect(databases.server.url(name))
    await connection.execute("delete from generation_models")
    await connection.execute("insert into paces select 'p' || n, now() from generate_series(1, 9999) n")
    await connection.execute("set session_replication_role = replica")
    await connection.execute(
        "insert into decisions (submission_id, kind, who, why, outcome) values ('a','adopt','','','')"
    )
    await connection.execute("begin")
    await connection.execute("lock table videos")
    await databases.give_back(name)
    assert connection.is_closed()
    assert databases.free[-1] == name
    assert await everything(databases, name) == new


@pytest.mark.parametrize("change", CHANGES)
async def test_a_database_with_another_schema_is_not_used_again(databases: Databases, change: str) -> None:
    name = await databases.take()
    connection = await asyncpg.connect(databases.server.url(name))
    await connection.execute(change.format(name=name))
    await connection.close()
    await databases.give_back(name)
    assert name not in databases.free


async def test_the_schema_is_that_of_the_migrations(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.fetchval("select count(*) from schema_migrations") > 1
