"""Databases for tests, one for each at a time: emptied and used again, since making one costs a fifth of a second."""

import uuid
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from local.postgres import Postgres, start_postgres
from local.processes import ProcessFailed
from tests.studio_at_work import eventually

TEMPLATE = "template_longtake"

_REMEMBER = """
do $$
declare name text; filled boolean;
begin
  create schema pristine;
  for name in select tablename from pg_tables where schemaname = 'public' loop
    execute format('select exists (select from public.%I)', name) into filled;
    if filled then execute format('create table pristine.%I as table public.%I', name, name); end if;
  end loop;
  create table pristine.__sequences as select sequencename, start_value, last_value from pg_sequences;
end $$
"""
"""What the migrations put into the tables, kept beside them."""

_EMPTY = """
do $$
declare name text; filled boolean;
begin
  perform pg_terminate_backend(pid, 10000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
  set local session_replication_role = replica;
  for name in select tablename from pg_tables where schemaname = 'public' loop
    execute format('select exists (select from public.%I)', name) into filled;
    continue when not filled;
    if pg_relation_size(format('public.%I', name)) > 250000 then
      execute format('truncate public.%I cascade', name);
    else
      execute format('delete from public.%I', name);
    end if;
  end loop;
  for name in select tablename from pg_tables where schemaname = 'pristine' and tablename <> '__sequences' loop
    execute format('insert into public.%I select * from pristine.%I', name, name);
  end loop;
  perform setval(format('public.%I', s.sequencename)::regclass, coalesce(s.last_value, s.start_value),
    s.last_value is not null) from pristine.__sequences s;
end $$
"""

_SHAPE = """
select md5(string_agg(part, ';' order by part)) from (
  select concat_ws(' ', relname, relkind, relacl, reloptions, relrowsecurity) from pg_class
    where relnamespace = 'public'::regnamespace
  union all select concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull, attisdropped) from pg_attribute
    where attnum > 0 and attrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
  union all select concat_ws(' ', tgrelid::regclass, tgname, tgenabled) from pg_trigger
  union all select concat_ws(' ', conrelid::regclass, conname, conbin) from pg_constraint
  union all select concat_ws(' ', proname, md5(prosrc)) from pg_proc where pronamespace = 'public'::regnamespace
  union all select concat_ws(' ', setrole, setconfig) from pg_db_role_setting
  union all select concat_ws(' ', nspname, nspacl) from pg_namespace where nspname !~ '^pg_'
) as parts(part)
"""
"""A database that a test has given another schema, or other rights, is not used again."""


@dataclass
class Databases:
    """The databases of one server, and those that no test uses now."""

    server: Postgres
    shape: str = ""
    free: list[str] = field(default_factory=list)

    async def prepare(self) -> None:
        """Remember what the migrated template holds."""
        connection = await asyncpg.connect(self.server.url(TEMPLATE))
        try:
            await connection.execute(_REMEMBER)
            self.shape = await connection.fetchval(_SHAPE)
        finally:
            await connection.close()

    async def take(self) -> str:
        """A database with today's schema and nothing in it; returns its name."""
        if self.free:
            return self.free.pop()
        name = f"test_{uuid.uuid4().hex[:12]}"
        await self._administer(f'create database "{name}" template {TEMPLATE}')
        return name

    async def give_back(self, name: str) -> None:
        """End what still uses it, empty it and keep it for the next test; or drop it."""
        if await self._emptied(name):
            self.free.append(name)
        else:
            await self._administer(f'drop database "{name}" with (force)')

    async def _emptied(self, name: str) -> bool:
        connection = await asyncpg.connect(self.server.url(name))
        try:
            if await connection.fetchval(_SHAPE) != self.shape:
                return False
            await connection.execute(_EMPTY)
            return True
        except asyncpg.PostgresError:
            return False
        finally:
            await connection.close()

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.server.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


async def start_in_place_of(server: Postgres, folder: Path) -> Postgres:
    """Start a killed server again, on its data and its port. It refuses while sessions of the killed one still end."""

    async def start() -> Postgres | None:
        try:
            return await start_postgres(folder / "data", logs=folder, port=server.port)
        except ProcessFailed:
            return None

    started = await eventually(start, lambda again: again is not None)
    assert started is not None
    return started
