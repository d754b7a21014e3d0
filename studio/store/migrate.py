"""Bring the database to today's schema: forward only, each file once, one worker at a time."""

from pathlib import Path

from studio.store.pool import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_265_104_182
"""The key of the advisory lock under which workers that start together take turns."""


async def migrate(database: Database) -> list[str]:
    """Apply the migrations that are missing; returns their names. All or none of them take effect."""
    applied = []
    async with database.transaction() as connection:
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        await connection.execute(
            "create table if not exists schema_migrations (name text primary key, applied_at timestamptz default now())"
        )
        done = {row["name"] for row in await connection.fetch("select name from schema_migrations")}
        for name, statements in _migrations():
            if name not in done:
                await connection.execute(statements)
                await connection.execute("insert into schema_migrations (name) values ($1)", name)
                applied.append(name)
    return applied


async def missing_migrations(database: Database) -> list[str]:
    """Names of the migrations that `migrate` would apply. Changes nothing."""
    async with database.transaction() as connection:
        there = await connection.fetchval("select to_regclass('schema_migrations') is not null")
        rows = await connection.fetch("select name from schema_migrations") if there else []
    done = {row["name"] for row in rows}
    return [name for name, _ in _migrations() if name not in done]


def _migrations() -> list[tuple[str, str]]:
    return [(path.stem, path.read_text(encoding="utf-8")) for path in sorted(MIGRATIONS.glob("*.sql"))]
