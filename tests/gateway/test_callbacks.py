"""KIE.ai calls back: what reaches the film, and what is turned away at the door."""

import json
import uuid
from datetime import timedelta
from typing import Any

import httpx
import pytest
from temporalio.client import Client

from gateway.signals import HANDS
from simulators.kie import KieSimulator
from studio.contracts.callback import CalledBack
from tests.gateway.conftest import Gateway, StartGateway
from tests.gateway.films import CalledFilm, Film, address, body, start_film
from tests.simulators.callers import KieCaller, order, until
from tests.studio_at_work import eventually
from workflows_temporal.addresses import late_workflow_id


async def calls(film: Film, at_least: int = 1) -> list[CalledBack]:
    return await eventually(lambda: film.query(CalledFilm.calls), lambda seen: len(seen) >= at_least)


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    return told


# ── from KIE.ai to the film ──────────────────────────────────────────────


@pytest.mark.parametrize("style", ["taskId", "task_id", "root"])
async def test_a_callback_reaches_its_film_with_order_clip_and_task(
    gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller, style: str
) -> None:
    kie.configure(callbacks={"id_style": style})
    intent = str(uuid.uuid4())
    task = await caller.task(order(callback=gateway.url + address(intent=intent)))
    assert await calls(film) == [CalledBack(submission_id=intent, number=7, task_id=task)]
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [200])


@pytest.mark.parametrize("style", ["digits", "model_ms"])
async def test_task_ids_of_every_shape_are_taken(
    gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller, style: str
) -> None:
    kie.configure(task_id_style=style)
    task = await caller.task(order(callback=gateway.url + address()))
    assert [call.task_id for call in await calls(film)] == [task]


async def test_callbacks_that_come_twice_are_harmless(
    gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller
) -> None:
    kie.configure(callbacks={"copies": 2})
    task = await caller.task(order(callback=gateway.url + address()))
    first, second = await calls(film, at_least=2)
    assert first == second
    assert first.task_id == task
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [200, 200])


@pytest.mark.parametrize(
    "callbacks", [{"body": "stale"}, {"body": "fail"}, {"before_response": True}], ids=["stale", "lie", "early"]
)
async def test_a_callback_is_a_hint_whatever_it_says_and_whenever_it_comes(
    gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller, callbacks: dict[str, Any]
) -> None:
    kie.configure(callbacks=callbacks)
    task = await caller.task(order(callback=gateway.url + address()))
    assert [call.task_id for call in await calls(film)] == [task]


async def test_each_film_is_told_of_its_own_clips(gateway: Gateway, film: Film, temporal: Client) -> None:
    other = await start_film(temporal, "vid_2")
    for name, clip in (("vid_2", 1), ("vid_1", 2), ("vid_2", 3)):
        assert (await gateway.http.post(address(film=name, clip=clip), json=body())).status_code == 200
    await gateway.signals.emptied()
    assert [call.number for call in await calls(film)] == [2]
    assert sorted(call.number for call in await calls(other, at_least=2)) == [1, 3]


async def test_a_signature_is_no_matter_where_no_key_is_set(
    gateway: Gateway, film: Film, kie: KieSimulator, caller: KieCaller
) -> None:
    kie.configure(callbacks={"signature": "bad"})
    await caller.task(order(callback=gateway.url + address()))
    assert len(await calls(film)) == 1


# ── for nobody ───────────────────────────────────────────────────────────


async def test_a_callback_for_an_unknown_or_finished_film_is_taken_and_forgotten(gateway: Gateway, film: Film) -> None:
    await film.terminate()
    for name in ("vid_1", "vid_unknown"):
        answer = await gateway.http.post(address(film=name), json=body())
        assert (answer.status_code, answer.json()) == (200, {"status": "taken"})
    await gateway.signals.emptied()


async def test_a_film_that_is_gone_does_not_hold_up_the_others(gateway: Gateway, film: Film) -> None:
    for _ in range(2 * HANDS):
        await gateway.http.post(address(film="vid_unknown"), json=body())
    await gateway.http.post(address(), json=body())
    assert len(await calls(film)) == 1


# ── turned away ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (address(intent="not-a-uuid"), "path.intent"),
        (address(channel="..%2Fgate"), "query.channel"),
        (address(film="a" * 101), "query.film"),
        (address(clip=0), "query.clip"),
        (address(clip="seven"), "query.clip"),
        (address().replace("film=", "flim="), "query.film"),
    ],
    ids=["intent", "channel", "film", "clip-0", "clip-seven", "no-film"],
)
async def test_an_address_that_we_did_not_make_is_refused_with_the_reason(
    gateway: Gateway, path: str, named: str
) -> None:
    answer = await gateway.http.post(path, json=body())
    assert answer.status_code == 422
    assert problem(answer)["detail"].startswith(f"{named}: ")


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"data": None},
        {"data": ["taskId"]},
        {"data": {"taskId": ""}},
        {"data": {"taskId": 7}},
        {"data": {"taskId": "a" * 201}},
        {"data": {"taskId": "task\n1"}},
        {"data": {"taskId": "task\ud800"}},
        {"taskId": {"$ne": None}},
    ],
)
async def test_a_body_without_a_task_id_that_could_be_one_is_refused(gateway: Gateway, said: dict[str, object]) -> None:
    answer = await gateway.http.post(address(), content=json.dumps(said))
    assert answer.status_code == 422
    assert "names no task" in problem(answer)["detail"]


@pytest.mark.parametrize(
    "said", [b"", b"taskId=1", b"[1, 2]", b'"task"', b"\xff\xfe", b'{"data": {"taskId', b"[" * 100_000]
)
async def test_a_body_that_is_no_json_object_is_refused(gateway: Gateway, said: bytes) -> None:
    answer = await gateway.http.post(address(), content=said)
    assert answer.status_code == 400
    assert "no JSON" in problem(answer)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/callbacks/kie/1", 405), ("POST", "/callbacks/no/1", 404)]
)
async def test_what_is_not_there_is_a_problem_document_too(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    answer = await gateway.http.request(method, path)
    assert answer.status_code == status
    assert problem(answer)["title"]


async def test_a_full_queue_asks_the_caller_to_come_again(start_gateway: StartGateway, nowhere: Client) -> None:
    gateway = await start_gateway(nowhere, limit=1, patience=timedelta(seconds=2))
    taken = [await gateway.http.post(address(), json=body()) for _ in range(HANDS + 1)]
    assert {answer.status_code for answer in taken} == {200}
    answer = await gateway.http.post(address(), json=body())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
    assert "wait for Temporal" in problem(answer)["detail"]
    await gateway.signals.emptied()
    assert (await gateway.http.post(address(), json=body())).status_code == 200


# ── for films that have ended ────────────────────────────────────────────


async def test_a_callback_nobody_waits_for_is_looked_after_once(gateway: Gateway, temporal: Client) -> None:
    intent = str(uuid.uuid4())
    for _ in range(3):
        await gateway.http.post(address(film="ended", intent=intent), json=body("task-9"))
    await gateway.signals.emptied()
    late = temporal.get_workflow_handle(late_workflow_id(intent))
    (started,) = [event async for event in late.fetch_history_events()][:1]
    (given,) = started.workflow_execution_started_event_attributes.input.payloads
    assert json.loads(given.data) == {"submission_id": intent, "task_id": "task-9"}
