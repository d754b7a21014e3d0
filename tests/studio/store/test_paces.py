"""Moments at which a service may be asked, given out by a real PostgreSQL."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from studio.errors import DatabaseUnavailable
from studio.store.paces import PaceStore
from studio.store.pool import Database, open_database


@pytest.fixture
def paces(database: Database) -> PaceStore:
    return PaceStore(database)


async def test_nobody_waits_for_a_service_that_nobody_asked(paces: PaceStore) -> None:
    assert await paces.reserve("notion", per_second=3) == timedelta(0)


async def test_callers_from_everywhere_get_moments_of_their_own(paces: PaceStore, database_url: str) -> None:
    """Each caller has a connection of his own, as workers have; a moment lies a whole interval after the last one."""
    async with open_database(database_url) as elsewhere:
        both = [paces, PaceStore(elsewhere)]
        waits = sorted(await asyncio.gather(*(both[n % 2].reserve("notion", per_second=0.001) for n in range(8))))
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(waits)]
    assert waits[0] == timedelta(0)
    assert all(900 < gap < 1100 for gap in gaps), gaps


async def test_services_do_not_wait_for_each_other(paces: PaceStore) -> None:
    await paces.reserve("notion", per_second=0.01)
    assert await paces.reserve("another", per_second=0.01) == timedelta(0)


async def test_a_pause_that_has_passed_is_not_caught_up_with(paces: PaceStore) -> None:
    """Whoever comes after a quiet time goes at once, and the one behind him waits all the same."""
    await paces.reserve("notion", per_second=1000)
    await asyncio.sleep(0.01)
    assert await paces.reserve("notion", per_second=0.001) == timedelta(0)
    assert await paces.reserve("notion", per_second=0.001) > timedelta(seconds=900)


async def test_without_a_database_nobody_knows_when() -> None:
    async with open_database("postgresql://nobody@127.0.0.1:1/none") as nowhere:
        with pytest.raises(DatabaseUnavailable):
            await PaceStore(nowhere).reserve("notion", per_second=3)
