"""The way to PostgreSQL: short transactions, and one error when it does not answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from studio.errors import DatabaseUnavailable

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

COMMAND_SECONDS = 5.0
"""Longest time one statement may take; ours are all single-row work."""

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of a statement
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.ReadOnlySQLTransactionError,
)


class Database:
    """A pool that connects when it is first needed, so a worker can start before its database does."""

    def __init__(self, dsn: str, *, connections: int = 8) -> None:
        self._dsn = dsn
        self._connections = connections
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One short transaction: committed at the end of the block, rolled back when it raises.

        Raises:
            DatabaseUnavailable: PostgreSQL is down, full or unreachable; nothing was changed, or the commit's
                answer was lost, which an upsert repeats without harm.
        """
        try:
            pool = await self._opened()
            async with pool.acquire(timeout=COMMAND_SECONDS) as connection, connection.transaction():
                yield connection
        except UNAVAILABLE as error:
            raise DatabaseUnavailable(f"PostgreSQL does not answer ({type(error).__name__})") from None

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
                    self._dsn, min_size=0, max_size=self._connections, command_timeout=COMMAND_SECONDS
                )
            return self._pool


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
