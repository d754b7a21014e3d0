"""Faults on order: each kind as a client sees it, and which calls a rule picks."""

import json
import time
from typing import Any

import httpx
import pytest

from simulators.kie import KieSimulator
from tests.simulators.callers import KieCaller, impatient, order, until

DROPPED = (httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError)


# ── each kind ────────────────────────────────────────────────────────────


async def test_a_reset_before_the_body_is_read_leaves_no_trace(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", ["reset_before"])
    with pytest.raises(DROPPED):
        await caller.create(order("x" * 2000))
    assert kie.ledger.accepted == 0
    assert kie.refusals[0].code == "reset_before"


@pytest.mark.parametrize("word", ["accept_then_reset", "reset_after"])
async def test_a_reset_after_the_effect_has_ordered_and_charged(
    kie: KieSimulator, caller: KieCaller, word: str
) -> None:
    kie.script("createTask", [word])
    with pytest.raises(httpx.ReadError):  # a reset, not an orderly end
        await caller.create()
    assert kie.ledger.accepted == 1
    assert await caller.credit() == 10_000 - 42


async def test_a_call_that_hangs_is_never_answered_and_has_no_effect(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", ["hang"])
    with pytest.raises(httpx.ReadTimeout):
        await caller.http.post("/api/v1/jobs/createTask", json=order(), timeout=impatient(0.5))
    assert kie.ledger.accepted == 0


async def test_a_timeout_after_the_effect_has_ordered_and_charged(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", ["accept_then_timeout"])
    with pytest.raises(httpx.ReadTimeout):
        await caller.http.post("/api/v1/jobs/createTask", json=order(), timeout=impatient(0.5))
    await until(lambda: kie.ledger.accepted == 1)


async def test_slow_headers_come_late_but_whole(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("credit", [{"slow_headers": 0.3}, {"slow_headers": 0.3}])
    with pytest.raises(httpx.ReadTimeout):
        await caller.http.get("/api/v1/chat/credit", timeout=impatient(0.1))
    started = time.monotonic()
    assert await caller.credit() == 10_000
    assert time.monotonic() - started >= 0.3


async def test_a_slow_body_starts_at_once_and_drips(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("credit", [{"slow_body": 1.5}])
    started = time.monotonic()
    async with caller.http.stream("GET", "/api/v1/chat/credit") as response:
        headers_after = time.monotonic() - started
        body = await response.aread()
    whole_after = time.monotonic() - started
    assert headers_after < whole_after / 2
    assert whole_after >= 1.5
    assert json.loads(body)["data"] == 10_000


async def test_a_truncated_body_ends_before_its_length(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("credit", ["truncated_body"])
    with pytest.raises(httpx.RemoteProtocolError, match=r"received .* expected|without sending complete"):
        await caller.credit()


async def test_a_length_that_is_too_high_ends_early_and_one_too_low_cuts_in_silence(
    kie: KieSimulator, caller: KieCaller
) -> None:
    kie.script("credit", [{"wrong_length": 1000}, {"wrong_length": -5}])
    with pytest.raises(httpx.RemoteProtocolError):
        await caller.credit()
    response = await caller.http.get("/api/v1/chat/credit")
    assert response.status_code == 200
    with pytest.raises(ValueError, match="line 1"):
        response.json()


async def test_a_body_can_be_empty_or_half_of_its_json(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("credit", ["zero_bytes", "invalid_json"])
    empty = await caller.http.get("/api/v1/chat/credit")
    half = await caller.http.get("/api/v1/chat/credit")
    assert (empty.status_code, empty.content) == (200, b"")
    assert half.content.startswith(b'{"code":200')
    with pytest.raises(ValueError, match="line 1"):
        half.json()


@pytest.mark.parametrize(("outcome", "status"), [("html", 502), ({"html": 524}, 524)])
async def test_cloudflare_answers_with_a_page(kie: KieSimulator, caller: KieCaller, outcome: Any, status: int) -> None:
    kie.script("createTask", [outcome])
    response = await caller.create()
    assert response.status_code == status
    assert response.headers["content-type"].startswith("text/html")
    assert "Cloudflare Ray ID" in response.text
    assert kie.ledger.accepted == 0


async def test_any_status_comes_with_the_services_json_or_with_any_text(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"http": 503}, {"http": 500, "text": ""}, {"http": 429, "headers": {"Retry-After": "7"}}])
    worded, bare, limited = [await caller.create() for _ in range(3)]
    assert (worded.status_code, worded.json()["code"]) == (503, 503)
    assert (bare.status_code, bare.content) == (500, b"")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "7")
    assert kie.ledger.accepted == 0
    assert [refusal.code for refusal in kie.refusals] == [503, 500, 429]


async def test_any_body_code_comes_in_an_http_200(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"body_code": 455, "msg": "closed on Sundays"}])
    response = await caller.create()
    assert response.status_code == 200
    assert response.json() == {"code": 455, "msg": "closed on Sundays", "data": None}


async def test_a_refusal_can_come_after_the_effect(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"http": 500, "after": True}])
    assert (await caller.create()).status_code == 500
    assert kie.ledger.accepted == 1


async def test_a_host_that_is_down_refuses_connections_and_comes_back_on_its_port(
    kie: KieSimulator, caller: KieCaller
) -> None:
    before = kie.api_url
    await caller.credit()  # a pooled connection must not get through either
    await kie.refuse_connections("api")
    with pytest.raises((httpx.ConnectError, *DROPPED)):
        await caller.credit()
    with pytest.raises(httpx.ConnectError):
        await caller.credit()
    await kie.accept_connections("api")
    assert kie.api_url == before
    assert await caller.credit() == 10_000


# ── which calls ──────────────────────────────────────────────────────────


async def codes(caller: KieCaller, *prompts: str) -> list[int]:
    return [(await caller.create(order(prompt))).json()["code"] for prompt in prompts]


async def test_a_script_is_consumed_in_order_and_then_over(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"body_code": 455}, "ok", {"body_code": 500}])
    assert await codes(caller, *"abcde") == [455, 200, 500, 200, 200]
    assert kie.rules()[0]["spent"]


async def test_a_rule_can_be_for_calls_that_contain_a_text(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"body_code": 500}], match='das "Meer" rauscht')  # escaped in the JSON
    kie.script("createTask", [{"body_code": 455}], match="wf=proj42")
    assert await codes(caller, "a", 'Hör: das "Meer" rauscht') == [200, 500]
    assert (await caller.create(order(callback="http://x.example/?wf=proj42"))).json()["code"] == 455


async def test_a_rule_can_be_for_a_task_in_the_query(kie: KieSimulator, caller: KieCaller) -> None:
    first, second = await caller.task(), await caller.task()
    kie.script("recordInfo", [{"http": 500}], match=second)
    assert (await caller.record(first)).status_code == 200
    assert (await caller.record(second)).status_code == 500


async def test_a_rule_can_start_with_the_nth_call_that_matches(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"body_code": 500}], match="fish", nth=2)
    assert await codes(caller, "fish", "bird", "fish", "fish") == [200, 200, 500, 200]


async def test_a_rule_can_repeat_up_to_a_count(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("createTask", [{"body_code": 500}, {"body_code": 455}], repeat=True, count=3)
    assert await codes(caller, *"abcd") == [500, 455, 500, 200]


async def test_chance_is_the_same_in_every_run_with_a_seed(start_kie: Any) -> None:
    seen = []
    for seed in (1, 1, 2):
        kie = await start_kie(seed=seed, rate_limit=0)
        kie.script("createTask", [{"body_code": 500}], probability=0.5)
        async with KieCaller(kie) as caller:
            seen.append(await codes(caller, *"abcdefghijklmnopqrstuvwxyz"))
    assert seen[0] == seen[1] != seen[2]
    assert {200, 500} == set(seen[0])


async def test_a_pattern_covers_several_routes(kie: KieSimulator, caller: KieCaller) -> None:
    kie.script("*", [{"body_code": 455}], repeat=True)
    assert (await caller.create()).json()["code"] == 455
    assert (await caller.http.get("/api/v1/chat/credit")).json()["code"] == 455
    assert (await caller.http.get("/__sim/state")).status_code == 200


def test_a_fault_nobody_knows_is_refused_at_once(kie: KieSimulator) -> None:
    with pytest.raises(ValueError, match="no such fault: 'explode'"):
        kie.script("createTask", ["explode"])


# ── over the admin door ──────────────────────────────────────────────────


async def test_faults_are_ordered_listed_and_cleared_over_http(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    door = f"{kie.admin_url}/__sim"
    rules = [{"route": "createTask", "script": [{"http": 429}]}, {"route": "task", "script": [{"fail": "internal"}]}]
    assert (await http.post(f"{door}/faults", json={"rules": rules})).json() == {"ids": [1, 1001]}
    assert [rule["route"] for rule in (await http.get(f"{door}/faults")).json()["rules"]] == ["createTask", "task"]
    assert (await caller.create()).status_code == 429
    await http.post(f"{door}/faults", json={"route": "createTask", "script": ["html"]})
    assert (await http.post(f"{door}/reset", json={"only": ["faults"]})).json() == {"reset": ["faults"]}
    assert await codes(caller, "a") == [200]
    assert (await http.get(f"{door}/faults")).json() == {"rules": []}


async def test_the_door_says_what_is_wrong_with_a_request(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    door = f"{kie.admin_url}/__sim"
    for path, body in [
        ("faults", {"route": "createTask", "script": ["explode"]}),
        ("faults", {"route": "createTask", "script": []}),
        ("config", {"speed": 2}),
        ("config", {"no_such_field": 1}),
        ("reset", {"only": ["everything"]}),
        ("down", {"host": "admin"}),
        ("advance", {}),
    ]:
        response = await http.post(f"{door}/{path}", json=body)
        assert response.status_code == 400, (path, body)
        assert response.json()["error"]
    assert (await http.get(f"{door}/ledger?only=secrets")).status_code == 400


async def test_configuration_changes_while_it_runs_and_nested_fields_are_merged(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    for changes in ({"callbacks": {"key": "another"}}, {"credits": 12.5, "callbacks": {"copies": 2}}):
        told = (await http.post(f"{kie.admin_url}/__sim/config", json=changes)).json()["config"]
    assert told["callbacks"]["copies"] == 2
    assert told["callbacks"]["key"] == "another"
    assert await caller.credit() == 12.5


async def test_the_state_tells_addresses_clock_config_and_counters(kie: KieSimulator, http: httpx.AsyncClient) -> None:
    for url in kie.urls.values():
        state = (await http.get(f"{url}/__sim/state")).json()
        assert state["urls"] == kie.urls
        assert state["simulator"] == "kie"
        assert state["clock"]["speed"] == 1
        assert state["config"]["rate_limit"] == 20
        assert state["counters"]["balance"] == 10_000
        assert state["problems"] == []


async def test_a_host_goes_down_for_a_while_over_http(
    kie: KieSimulator, caller: KieCaller, http: httpx.AsyncClient
) -> None:
    await http.post(f"{kie.admin_url}/__sim/down", json={"host": "api", "seconds": 2})
    with pytest.raises(httpx.ConnectError):
        await caller.credit()
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            assert await caller.credit() == 10_000
            return
        except httpx.ConnectError:
            continue
    pytest.fail("the host never came back")


async def test_a_reset_brings_back_the_first_minute(kie: KieSimulator, caller: KieCaller) -> None:
    first = await caller.task()
    kie.reset()
    assert (kie.ledger.accepted, await caller.credit()) == (0, 10_000)
    assert (await caller.record(first)).json()["code"] == 422
    assert await caller.task() == first  # the same dice
