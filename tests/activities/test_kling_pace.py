"""How often KIE.ai is asked: often enough for a short wait, never more often than it allows."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.kling_pace import KlingPace
from simulators.kie import KieSimulator
from studio.errors import Maintenance, ProviderUnavailable, RateLimited
from studio.providers.kie import RATE_WINDOW, KieClient, open_kie
from studio.providers.kie_models import MODELS

SPEEDS = st.floats(0.5, 200)
WAITS = st.timedeltas(timedelta(seconds=-5), timedelta(hours=8))
BOUNDS = st.tuples(st.floats(0.1, 30), st.floats(0.1, 30)).map(sorted)
TRIES = st.integers(1, 40)
CLOSE = timedelta(microseconds=5)
"""Times are counted in microseconds."""


def pace(bounds: list[float] | None = None, speed: float = 1.0) -> KlingPace:
    least, most = bounds or [2.0, 5.0]
    return KlingPace(look_min=timedelta(seconds=least), look_max=timedelta(seconds=most), speed=speed)


# ── looks ────────────────────────────────────────────────────────────────


@given(WAITS, BOUNDS, SPEEDS)
def test_the_next_look_lies_within_the_bounds_in_kies_own_time(
    waited: timedelta, bounds: list[float], speed: float
) -> None:
    look = pace(bounds, speed).next_look(waited)
    assert timedelta(seconds=bounds[0]) / speed - CLOSE <= look <= timedelta(seconds=bounds[1]) / speed + CLOSE


@given(WAITS, WAITS, SPEEDS)
def test_whoever_waited_longer_looks_no_sooner(one: timedelta, other: timedelta, speed: float) -> None:
    first, second = sorted([one, other])
    assert pace(speed=speed).next_look(first) <= pace(speed=speed).next_look(second)


@given(WAITS, st.sampled_from([1, 2, 5, 10, 50, 100]))
def test_a_faster_clock_makes_the_same_looks_faster(waited: timedelta, speed: int) -> None:
    assert abs(pace(speed=speed).next_look(waited / speed) * speed - pace().next_look(waited)) <= speed * CLOSE


def test_between_the_bounds_it_is_a_tenth_of_the_time_waited() -> None:
    looks = [pace().next_look(timedelta(seconds=waited)).total_seconds() for waited in (0, 20, 30, 50, 600)]
    assert looks == [2, 2, 3, 5, 5]


# ── pauses ───────────────────────────────────────────────────────────────


@given(TRIES, SPEEDS)
def test_a_provider_that_is_away_is_left_alone_for_longer_and_longer(tries: int, speed: float) -> None:
    pause = pace(speed=speed).pause(ProviderUnavailable(), tries) * speed
    least = timedelta(seconds=min(2 ** (tries - 1), 60))
    assert least - speed * CLOSE <= pause <= least * 1.25 + speed * CLOSE


def test_the_first_pauses_are_one_two_and_four_seconds_at_least() -> None:
    pauses = [pace().pause(ProviderUnavailable(), tries).total_seconds() for tries in (1, 2, 3, 4)]
    assert [int(pause) for pause in pauses[:2]] == [1, 2]
    assert all(pause >= least for pause, least in zip(pauses, (1, 2, 4, 8), strict=True))


@given(
    st.integers(1, 15),
    st.timedeltas(timedelta(seconds=0.1), timedelta(minutes=5)),
    st.sampled_from([Maintenance, RateLimited]),
)
def test_nobody_comes_back_before_the_provider_said(tries: int, wait: timedelta, kind: type[Any]) -> None:
    assert pace().pause(kind(retry_after=wait), tries) >= wait - CLOSE


@given(st.integers(1, 4))
def test_every_further_refusal_for_haste_doubles_the_wait(tries: int) -> None:
    pause = pace().pause(RateLimited(retry_after=RATE_WINDOW), tries)
    assert RATE_WINDOW * 2 ** (tries - 1) <= pause <= RATE_WINDOW * 2 ** (tries - 1) * 1.25


def test_two_that_were_refused_together_do_not_come_back_together() -> None:
    pauses = {pace().pause(RateLimited(retry_after=RATE_WINDOW), 1) for _ in range(20)}
    assert len(pauses) > 10


@pytest.mark.parametrize(("error", "tries"), [(RateLimited(), 4), (Maintenance(), 15), (ProviderUnavailable(), 10)])
def test_how_often_an_order_is_sent_depends_on_the_refusal(error: Any, tries: int) -> None:
    assert pace().tries(error) == tries


# ── and KIE.ai itself ────────────────────────────────────────────────────


@pytest.fixture
async def client(kie: KieSimulator) -> AsyncIterator[KieClient]:
    async with open_kie(key="sim-key", api_url=kie.api_url, upload_url=kie.upload_url) as opened:
        yield opened


@pytest.mark.parametrize("header", [None, "0", "1", "9", "31", "soon"])
@pytest.mark.parametrize("speed", [1.0, 25.0])
async def test_after_a_429_the_next_try_is_never_inside_kies_window(
    client: KieClient, kie: KieSimulator, header: str | None, speed: float
) -> None:
    kie.script("createTask", [{"http": 429, "headers": {} if header is None else {"Retry-After": header}}])
    with pytest.raises(RateLimited) as refusal:
        await client.create_task(model=next(iter(MODELS)), prompt="A cat.", image_url="http://x/a.png", seconds=5)
    for tries in (1, 2, 3):
        assert pace(speed=speed).pause(refusal.value, tries) * speed >= RATE_WINDOW - CLOSE * speed
