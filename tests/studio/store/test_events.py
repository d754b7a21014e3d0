"""News between connections of a real PostgreSQL, one that goes away among them."""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.postgres import start_postgres
from studio.contracts.progress import MOST_NOTE, EventsLost, Progress, Stage
from studio.errors import DatabaseUnavailable
from studio.store.events import CHANNEL, MOST_WAITING, EventStore, Subscription, subscribe
from studio.store.pool import Database, open_database
from tests.databases import start_in_place_of

NOW = datetime(2026, 8, 22, 12, 0, tzinfo=UTC)
NEWS = Progress(
    job="image/poke1/story/s1",
    channel="poke1",
    project_id="story",
    sentence_id="s1",
    take="ab" * 32,
    stage=Stage.RENDERING,
    fraction=0.25,
    eta_seconds=12.5,
    preview=f"channels/poke1/previews/{'ab' * 32}.jpg",
    note='step 2 of 8, "KSampler", größer',
    at=NOW,
)
OTHER_PROCESS = """
import asyncio, sys
from studio.contracts.progress import Progress
from studio.store.events import EventStore
from studio.store.pool import open_database

async def tell() -> None:
    async with open_database(sys.argv[1]) as database:
        assert await EventStore(database).publish(Progress.model_validate_json(sys.argv[2]))

asyncio.run(tell())
"""


def at(fraction: float, **changes: Any) -> Progress:
    return NEWS.model_copy(update={"fraction": fraction, **changes})


async def heard(subscription: Subscription, count: int) -> list[object]:
    async with asyncio.timeout(20):
        return [await anext(subscription) for _ in range(count)]


async def test_an_event_reaches_every_listener_whole_and_in_order(database_url: str, database: Database) -> None:
    told = [at(n / 10) for n in range(10)]
    async with subscribe(database_url) as one, subscribe(database_url) as other:
        for progress in told:
            assert await EventStore(database).publish(progress)
        assert await heard(one, 10) == told
        assert await heard(other, 10) == told


async def test_an_event_of_another_process_is_heard(database_url: str) -> None:
    async with subscribe(database_url) as subscription:
        command = [sys.executable, "-c", OTHER_PROCESS, database_url, NEWS.model_dump_json()]
        process = await asyncio.create_subprocess_exec(*command)
        assert await heard(subscription, 1) == [NEWS]
        assert await process.wait() == 0


@pytest.mark.parametrize("part", ["job", "channel", "project_id"])
async def test_a_listener_hears_only_what_he_asked_for(database_url: str, database: Database, part: str) -> None:
    events = EventStore(database)
    async with subscribe(database_url, **{part: getattr(NEWS, part)}) as subscription:
        await events.publish(at(0.1, **{part: "another"}))
        await events.publish(at(0.2))
        assert await heard(subscription, 1) == [at(0.2)]


async def test_what_is_not_ours_or_from_another_version_is_passed_over(database_url: str, database: Database) -> None:
    async with subscribe(database_url) as subscription:
        newer = NEWS.model_dump_json()[:-1] + ',"mood":"good"}'
        for payload in ("", "no json", "[]", '{"kind":"progress"}', newer):
            async with database.transaction() as connection:
                await connection.execute("select pg_notify($1, $2)", CHANNEL, payload)
        assert await heard(subscription, 1) == [NEWS]


async def test_a_listener_hears_again_after_his_connection_was_cut_and_knows_of_the_gap(
    database_url: str, database: Database
) -> None:
    events = EventStore(database)
    async with subscribe(database_url) as subscription:
        await events.publish(at(0.1))
        assert await heard(subscription, 1) == [at(0.1)]
        for fraction in (0.2, 0.3):  # not only once
            await _cut_listeners(database)
            (gap,) = await heard(subscription, 1)
            assert isinstance(gap, EventsLost)
            await events.publish(at(fraction))
            assert await heard(subscription, 1) == [at(fraction)]


async def test_a_listener_survives_a_database_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    server = await start_postgres(tmp_path / "data", logs=tmp_path)
    url = await server.ensure_database("videos")
    async with open_database(url) as database, subscribe(url) as subscription:
        await server.process.kill()
        assert not await EventStore(database).publish(NEWS)
        again = await start_in_place_of(server, tmp_path)
        (gap,) = await heard(subscription, 1)
        assert isinstance(gap, EventsLost)
        assert await EventStore(database).publish(at(0.9))
        assert await heard(subscription, 1) == [at(0.9)]
    await again.stop()


async def test_nobody_listens_to_a_database_that_is_not_there() -> None:
    with pytest.raises(DatabaseUnavailable):
        async with subscribe("postgresql://u:p@127.0.0.1:1/none"):
            pass


async def test_telling_into_a_database_that_is_down_does_not_fail_the_work() -> None:
    async with open_database("postgresql://u:p@127.0.0.1:1/none") as database:
        assert not await EventStore(database).publish(NEWS)


async def test_an_event_that_postgresql_refuses_does_not_fail_the_work(database: Database) -> None:
    too_long = NEWS.model_copy(update={"note": "x" * 9_000})  # as a full queue or a missing right would
    assert not await EventStore(database).publish(too_long)
    assert await EventStore(database).publish(NEWS)


async def test_the_id_of_a_job_that_is_too_long_is_cut_for_who_tells_and_who_listens(
    database_url: str, database: Database
) -> None:
    job = "clip/" + "j" * 400
    event = Progress.model_validate(NEWS.model_dump() | {"job": job})
    async with subscribe(database_url, job=job) as subscription:
        assert await EventStore(database).publish(event)
        assert await heard(subscription, 1) == [event]


async def test_a_listener_leaves_no_connection_behind(database_url: str, database: Database) -> None:
    async with subscribe(database_url):
        assert await _listeners(database)
    async with asyncio.timeout(10):
        while await _listeners(database):
            pass


async def test_a_listener_who_is_slow_loses_the_oldest_and_is_told() -> None:
    subscription = Subscription(job=None, channel=None, project_id=None)
    told = [at(0, note=str(n)) for n in range(MOST_WAITING + 5)]
    for progress in told:
        subscription.hear(progress.model_dump_json())
    lost, *events = await heard(subscription, MOST_WAITING + 1)
    assert isinstance(lost, EventsLost)
    assert events == told[5:]


async def test_the_longest_event_fits_into_a_notice(database_url: str, database: Database) -> None:
    longest = NEWS.model_copy(
        update={
            "job": "\x01" * 320,
            "channel": "c" * 100,
            "project_id": "p" * 100,
            "sentence_id": "s" * 100,
            "clip": 500,
            "preview": "k" * 900,
            "note": "\x01" * MOST_NOTE,
        }
    )
    assert Progress.model_validate(longest.model_dump()) == longest
    async with subscribe(database_url) as subscription:
        assert await EventStore(database).publish(longest)
        assert await heard(subscription, 1) == [longest]


def test_a_note_that_is_too_long_is_cut_and_fails_nothing() -> None:
    event = Progress.model_validate(NEWS.model_dump() | {"note": "out of memory " * 1_000})
    assert len(event.note) == MOST_NOTE
    assert event.note.startswith("out of memory ")


@given(st.text(max_size=2 * MOST_NOTE), st.text(min_size=1, max_size=320))
def test_no_words_make_an_event_too_long(note: str, job: str) -> None:
    event = Progress(job=job, channel="c" * 100, project_id="p" * 100, stage=Stage.DONE, note=note, at=NOW)
    assert len(event.model_dump_json().encode()) < 6_500


async def _listeners(database: Database) -> list[int]:
    async with database.transaction() as connection:
        rows: list[asyncpg.Record] = await connection.fetch(
            "select pid from pg_stat_activity where datname = current_database() and query like 'LISTEN%'"
        )
    return [row["pid"] for row in rows]


async def _cut_listeners(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(
            """select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and query like 'LISTEN%'"""
        )
