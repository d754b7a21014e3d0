"""News over PostgreSQL's LISTEN and NOTIFY: who is connected hears it, nobody else ever will.

Nothing may hang on an event: what is true stands in tables and is answered by workflows. So telling never fails the
work it tells of, and a listener who may have missed something is told so and looks at the state.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog
from pydantic import ValidationError

from studio.contracts.progress import MOST_JOB, Event, EventsLost, Progress
from studio.errors import DatabaseUnavailable
from studio.store.pool import COMMAND_SECONDS, UNAVAILABLE, Database, unavailable

_log = structlog.get_logger()

CHANNEL = "longtake_progress"
"""The name of the channel in PostgreSQL, one for all; whoever listens picks his own out of it."""

PUBLISH_SECONDS = 1.0
"""Longest time that telling waits; once five more, where a database stops in the middle of an answer."""

MOST_WAITING = 1_000
"""Events kept for a listener who is slow; of more, the oldest are dropped and he is told."""

LOOK_SECONDS = 15.0
"""How often a silent connection is tried: a cable that was pulled says nothing."""

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds between two tries to connect again, doubled each time."""


class EventStore:
    """Tells what happens."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, progress: Progress) -> bool:
        """Tell everybody who listens. False: nobody could be told, which is no reason to stop."""
        try:
            async with asyncio.timeout(PUBLISH_SECONDS), self._database.transaction() as connection:
                await connection.execute(
                    "select pg_notify($1, $2)", CHANNEL, progress.model_dump_json(exclude_none=True)
                )
        except (DatabaseUnavailable, TimeoutError, asyncpg.PostgresError) as error:
            _log.warning("news.not_told", job=progress.job, reason=type(error).__name__)
            return False
        return True


class Subscription:
    """Events as they come, for one listener: `async for event in subscription`. It never ends by itself."""

    def __init__(self, *, job: str | None, channel: str | None, project_id: str | None) -> None:
        self._wanted = {"job": job and job[:MOST_JOB], "channel": channel, "project_id": project_id}
        self._waiting: deque[Event] = deque()
        self._arrived = asyncio.Event()
        self._dropped = False

    def __aiter__(self) -> "Subscription":
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._dropped:
                self._dropped = False
                return EventsLost(reason="more came than were taken")
            if self._waiting:
                return self._waiting.popleft()
            self._arrived.clear()
            await self._arrived.wait()

    def hear(self, payload: str) -> None:
        """Take an event, if it is one of those that are wanted. What another version of ours wrote is passed over."""
        try:
            progress = Progress.model_validate_json(payload)
        except ValidationError:
            return
        if all(value is None or getattr(progress, name) == value for name, value in self._wanted.items()):
            self._add(progress)

    def lose(self, reason: str) -> None:
        """Say that something may be missing here."""
        self._add(EventsLost(reason=reason))

    def _add(self, event: Event) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self._dropped = True
        self._waiting.append(event)
        self._arrived.set()


@asynccontextmanager
async def subscribe(
    dsn: str, *, job: str | None = None, channel: str | None = None, project_id: str | None = None
) -> AsyncIterator[Subscription]:
    """Listen, from the moment the block is entered: to one job, one channel, one project, or to everything.

    A connection that breaks is made again as long as the block lasts; then the subscription says `EventsLost` once.

    Raises:
        DatabaseUnavailable: PostgreSQL does not answer when the block is entered.
    """
    subscription = Subscription(job=job, channel=channel, project_id=project_id)
    line = _Line(dsn, subscription)
    try:
        await line.connect()
    except UNAVAILABLE as error:
        raise unavailable(error) or DatabaseUnavailable(f"PostgreSQL refuses: {error}") from None
    keeper = asyncio.create_task(line.keep())
    try:
        yield subscription
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)
        line.cut()


class _Line:
    """A connection that listens and nothing else."""

    def __init__(self, dsn: str, subscription: Subscription) -> None:
        self._dsn = dsn
        self._subscription = subscription
        self._connection: asyncpg.Connection | None = None
        self._broken = asyncio.Event()

    async def connect(self) -> None:
        self._broken.clear()
        self._connection = await asyncpg.connect(self._dsn, timeout=COMMAND_SECONDS, command_timeout=COMMAND_SECONDS)
        self._connection.add_termination_listener(lambda _: self._broken.set())
        await self._connection.add_listener(CHANNEL, lambda *heard: self._subscription.hear(heard[-1]))

    async def keep(self) -> None:
        """Listen for ever."""
        while True:
            await self._until_broken()
            await self._connect_again()
            self._subscription.lose("the connection to PostgreSQL was lost for a while")

    def cut(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _until_broken(self) -> None:
        while self._connection is not None and not self._connection.is_closed():
            try:
                await asyncio.wait_for(self._broken.wait(), LOOK_SECONDS)
            except TimeoutError:
                try:
                    await self._connection.execute("select 1")
                except UNAVAILABLE:
                    return

    async def _connect_again(self) -> None:
        pause = FIRST_PAUSE
        while True:
            self.cut()
            try:
                return await self.connect()
            except UNAVAILABLE:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
