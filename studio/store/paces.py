"""How fast all workers together may ask a service: moments are given out, one after the other."""

from datetime import timedelta

from studio.store.pool import Database

# `clock_timestamp()` and not `now()`: a transaction that waited for the row has to see the time after its wait.
_RESERVE = """
insert into paces as pace (service, free_at) values ($1, clock_timestamp() + $2)
on conflict (service) do update set free_at = greatest(pace.free_at, clock_timestamp()) + $2
returning greatest(free_at - $2 - clock_timestamp(), interval '0') as wait
"""


class PaceStore:
    """Gives out the moments at which a service may be asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def reserve(self, service: str, *, per_second: float) -> timedelta:
        """Take the next free moment; returns how long it is until then. No two callers get the same one.

        Raises:
            DatabaseUnavailable: nobody knows when the service may be asked.
        """
        async with self._database.transaction() as connection:
            wait = await connection.fetchval(_RESERVE, service, timedelta(seconds=1 / per_second))
        assert isinstance(wait, timedelta)
        return wait
