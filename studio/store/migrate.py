"""Bring the database to today's schema: forward only, each file once, one worker at a time."""

from pathlib import Path

from studio.store.pool import Database

MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_265_104_182
"""The key of the advisory lock under which workers that start together take turns."""

_LONGEST = 86_400.0
"""Seconds that a migration may take, and waiting for another worker's: a day stands for no limit."""
_GRANTS = """
grant usage on schema public to ROLE;
grant select, insert, update, delete on all tables in schema public to ROLE;
grant usage, select, update on all sequences in schema public to ROLE;
revoke insert, update, delete on schema_migrations from ROLE;
"""


async def migrate(database: Database, *, app_role: str | None = None, folder: Path = MIGRATIONS) -> list[str]:
    """Apply the migrations that are missing; returns their names. All or none of them take effect.

    A role that owns nothing may call it too, as long as nothing is missing. No statement has a time limit here: a
    migration takes as long as the tables are large.

    Args:
        app_role: another role that may read and write every table afterwards, and own or change none.
        folder: where the migrations lie.
    """
    if app_role is None and not await missing_migrations(database, folder=folder):
        return []
    applied = []
    async with database.transaction() as connection:
        await connection.execute("set local statement_timeout = 0; set local lock_timeout = 0")
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK, timeout=_LONGEST)
        await connection.execute(
            "create table if not exists schema_migrations (name text primary key, applied_at timestamptz default now())"
        )
        done = {row["name"] for row in await connection.fetch("select name from schema_migrations")}
        for name, statements in _migrations(folder):
            if name not in done:
                await connection.execute(statements, timeout=_LONGEST)
                await connection.execute("insert into schema_migrations (name) values ($1)", name)
                applied.append(name)
        if app_role is not None:
            role = await connection.fetchval("select quote_ident($1)", app_role)
            await connection.execute(_GRANTS.replace("ROLE", role), timeout=_LONGEST)
    return applied


async def missing_migrations(database: Database, *, folder: Path = MIGRATIONS) -> list[str]:
    """Names of the migrations that `migrate` would apply. Changes nothing."""
    async with database.transaction() as connection:
        there = await connection.fetchval("select to_regclass('schema_migrations') is not null")
        rows = await connection.fetch("select name from schema_migrations") if there else []
    done = {row["name"] for row in rows}
    return [name for name, _ in _migrations(folder) if name not in done]


def _migrations(folder: Path) -> list[tuple[str, str]]:
    return [(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.sql"))]
