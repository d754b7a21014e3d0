"""The way to PostgreSQL: short transactions, and one error when it does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from studio.errors import DatabaseUnavailable
from studio.secrets import hide_known

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

COMMAND_SECONDS = 5.0
"""Longest time one statement may take; ours are all single-row work."""

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of a statement
    asyncpg.PostgresError,
)
"""What a statement may fail with. `unavailable` says which of them are not about the statement itself."""

_OUR_STATEMENT = ("22", "23", "42")
"""Classes of SQLSTATE that repeating does not mend: data exception, integrity violation, syntax or access rule."""
_NO_PRIVILEGE = "42501"
"""In class 42, but about the server: a role that lacks a grant for a while."""
_CONFLICTS = ("40", "55P03", "57014")
"""Another transaction was in the way: deadlock, serialization, lock or statement time-out."""
_CONFLICT_PAUSE, _REFUSAL_PAUSE = timedelta(seconds=1), timedelta(seconds=5)
"""A server that answers is asked again soon: ever longer pauses are for one that does not."""
_CAUSES = {
    "53100": "No space left on the database server",
    "53200": "The database server is out of memory",
    "53300": "The database server takes no more connections",
    "3F000": "The database has nothing for our role yet; its owner has to migrate it (worker.py --migrate)",
    "42501": "The database refuses our role a privilege",
    "25006": "The database is read-only",
    "57014": "The database cancelled the statement",
    "40P01": "The database resolved a deadlock against us",
    "40001": "The database could not serialize the transaction",
    "58030": "The database server had an I/O error",
}
"""SQLSTATE → what an operator reads. https://www.postgresql.org/docs/current/errcodes-appendix.html"""


def unavailable(error: BaseException) -> DatabaseUnavailable | None:
    """Sort a failed statement: an error that may be retried, or None when the statement itself is wrong.

    Everything that PostgreSQL answers may pass (disk full, deadlock, cancelled, I/O error, no privilege …), except
    what is about our statement and its values: those answers are the same every time.
    """
    if not isinstance(error, UNAVAILABLE):
        return None
    if not isinstance(error, asyncpg.PostgresError):
        return DatabaseUnavailable(f"PostgreSQL does not answer ({type(error).__name__})")
    state = error.sqlstate or ""
    if state != _NO_PRIVILEGE and state.startswith(_OUR_STATEMENT):
        return None
    cause = _CAUSES.get(state, "PostgreSQL does not answer")
    pause = _CONFLICT_PAUSE if state.startswith(_CONFLICTS) else _REFUSAL_PAUSE
    return DatabaseUnavailable(f"{cause} ({type(error).__name__}, {state or 'no SQLSTATE'})", retry_after=pause)


class Database:
    """A pool that connects when it is first needed, so a worker can start before its database does."""

    def __init__(self, dsn: str, *, connections: int = 8, command_seconds: float = COMMAND_SECONDS) -> None:
        self._dsn = dsn
        self._command_seconds = command_seconds
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One short transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            DatabaseUnavailable: PostgreSQL is down, full, unreachable or refuses for a reason that may pass; nothing
                was changed, or the commit's answer was lost, which an upsert repeats without harm.
            asyncpg.PostgresError: the statement or one of its values is wrong.
        """
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=COMMAND_SECONDS) as connection, connection.transaction():
                yield connection
        except UNAVAILABLE as error:
            if (reason := unavailable(error)) is None:
                raise
            raise reason from None

    @asynccontextmanager
    async def together(self) -> AsyncIterator["Database"]:
        """A database for several stores: all they write with it is one transaction. Raises as that does."""
        async with self.transaction() as connection:
            yield _Together(connection)

    async def close(self) -> None:
        """Give the connections back."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._connections,
                    command_timeout=self._command_seconds,
                    init=_guard_texts,
                )
            return self._pool


async def _guard_texts(connection: asyncpg.Connection) -> None:
    """Whatever text a statement is given goes in without our secrets, and without what PostgreSQL cannot hold.

    Arrays of texts are excepted: asyncpg encodes them itself. Ours hold ids and digests.
    """
    for kind in ("text", "varchar", "json", "jsonb"):
        await connection.set_type_codec(kind, schema="pg_catalog", encoder=storable, decoder=str)


def storable(text: str) -> str:
    """A text as it is stored: NUL and lone surrogates, which PostgreSQL refuses, become the replacement character."""
    if not isinstance(text, str):
        raise asyncpg.DataError(f"expected str, got {type(text).__name__}")
    if "\0" in text or not text.isascii():
        text = text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return hide_known(text)


class _Together(Database):
    """A transaction that is open; those in it are parts of it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        async with self._connection.transaction():
            yield self._connection


@asynccontextmanager
async def open_database(dsn: str, *, connections: int = 8) -> AsyncIterator[Database]:
    """A database for as long as the block lasts."""
    database = Database(dsn, connections=connections)
    try:
        yield database
    finally:
        await database.close()
