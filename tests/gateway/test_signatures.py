"""Signed callbacks: with a key set, only KIE.ai is listened to."""

import time

import pytest

from gateway.signatures import SIGNATURE_HEADER, SKEW, TIMESTAMP_HEADER, signature
from simulators.kie import KieSimulator
from tests.gateway.conftest import KEY, Gateway
from tests.gateway.films import CalledFilm, Film, address, body
from tests.simulators.callers import KieCaller, order, until
from tests.studio_at_work import eventually

TASK = "task_sim_0001"
SECONDS = int(SKEW.total_seconds())


def signed(age: int, *, key: str = KEY) -> dict[str, str]:
    stamp = str(int(time.time()) - age)
    return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature(key, TASK, stamp)}


def test_the_signature_is_the_one_of_the_fact_sheet() -> None:
    vector = "bH/N3dKQwic/TVWwkxGFGKIbZwPkgziO4jXifg8gZqA="
    assert signature("sim-hmac-key", "task_sim_0001", "1767225600") == vector


# ── from KIE.ai ──────────────────────────────────────────────────────────


@pytest.mark.parametrize("id_style", ["taskId", "task_id", "root"])
async def test_a_signed_callback_reaches_its_film(
    signed_gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller, id_style: str
) -> None:
    kie.configure(callbacks={"signature": "signed", "key": KEY, "id_style": id_style})
    task = await caller.task(order(callback=signed_gateway.url + address()))
    seen = await eventually(lambda: film.query(CalledFilm.calls), bool)
    assert [call.task_id for call in seen] == [task]


@pytest.mark.parametrize("kind", ["none", "bad", "old"])
async def test_a_callback_that_is_not_signed_as_it_should_is_refused(
    signed_gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller, kind: str
) -> None:
    kie.configure(callbacks={"signature": kind, "key": KEY})
    await caller.task(order(callback=signed_gateway.url + address()))
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [401])
    await signed_gateway.signals.emptied()
    assert await film.query(CalledFilm.calls) == []


async def test_a_body_that_was_changed_on_its_way_is_a_hint_like_any_other(
    signed_gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller
) -> None:
    """The signature covers the task only, and the task is all that is taken."""
    kie.configure(callbacks={"signature": "tampered", "key": KEY})
    task = await caller.task(order(callback=signed_gateway.url + address()))
    seen = await eventually(lambda: film.query(CalledFilm.calls), bool)
    assert [call.model_dump().keys() for call in seen] == [{"submission_id", "number", "task_id"}]
    assert seen[0].task_id == task


# ── by hand ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("age", [0, SECONDS - 30, 30 - SECONDS])
async def test_clocks_may_differ_a_little(signed_gateway: Gateway, age: int) -> None:
    answer = await signed_gateway.http.post(address(), json=body(TASK), headers=signed(age))
    assert answer.status_code == 200


@pytest.mark.parametrize("age", [SECONDS + 30, -SECONDS - 30])
async def test_a_good_signature_is_worth_five_minutes(signed_gateway: Gateway, age: int) -> None:
    answer = await signed_gateway.http.post(address(), json=body(TASK), headers=signed(age))
    assert (answer.status_code, answer.json()["detail"]) == (401, "The timestamp is too far from now.")


@pytest.mark.parametrize("stamp", ["", "yesterday", "-1", "1767225600.5", "9" * 500])
async def test_a_timestamp_that_is_none_is_refused_even_when_signed(signed_gateway: Gateway, stamp: str) -> None:
    headers = {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature(KEY, TASK, stamp)}
    answer = await signed_gateway.http.post(address(), json=body(TASK), headers=headers)
    assert answer.status_code == 401


async def test_a_signature_for_one_task_is_none_for_another(signed_gateway: Gateway) -> None:
    answer = await signed_gateway.http.post(address(), json=body("task_2"), headers=signed(0))
    assert (answer.status_code, answer.json()["detail"]) == (401, "The signature does not fit.")


@pytest.mark.parametrize("given", [b"", b"\xe9\xff", b"A" * 10_000])
async def test_a_signature_of_any_bytes_is_refused_and_not_stumbled_over(signed_gateway: Gateway, given: bytes) -> None:
    stamp = str(int(time.time())).encode()
    headers = {TIMESTAMP_HEADER.encode(): stamp, SIGNATURE_HEADER.encode(): given}
    answer = await signed_gateway.http.post(address(), json=body(TASK), headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize("missing", [TIMESTAMP_HEADER, SIGNATURE_HEADER])
async def test_both_headers_are_needed(signed_gateway: Gateway, missing: str) -> None:
    headers = signed(0)
    del headers[missing]
    answer = await signed_gateway.http.post(address(), json=body(TASK), headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert KEY not in answer.text
