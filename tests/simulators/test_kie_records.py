"""recordInfo: how a task gets on, and every way of telling it."""

import json
import math
from typing import Any

import pytest

from simulators.kie import KieSimulator
from tests.simulators.callers import KieCaller, order


async def test_a_task_waits_queues_generates_and_succeeds(start_kie: Any) -> None:
    kie = await start_kie(duration=(100, 100))
    async with KieCaller(kie) as caller:
        task = await caller.task(order(callback="http://hooks.example/?wf=proj42"))
        seen = [await caller.look(task)]
        for _ in range(20):
            kie.advance(4.9)
            seen.append(await caller.look(task))
        states = list(dict.fromkeys(data["state"] for data in seen))
        assert states == ["waiting", "queuing", "generating"]
        assert {(data["resultJson"], data["completeTime"], data["creditsConsumed"]) for data in seen} == {
            ("", None, None)
        }
        assert kie.ledger.in_flight == 1
        kie.advance(2.1)
        data = await caller.ended(task)
    assert data["state"] == "success"
    assert kie.ledger.in_flight == 0
    assert data["taskId"] == task
    assert data["model"] == "kling/v2-5-turbo-image-to-video-pro"
    assert json.loads(data["param"])["callBackUrl"] == "http://hooks.example/?wf=proj42"
    assert json.loads(data["resultJson"])["resultUrls"][0].startswith(kie.files_url)
    assert (data["failCode"], data["failMsg"], data["creditsConsumed"]) == ("", "", 42)
    assert data["completeTime"] - data["createTime"] == data["costTime"] == 100_000
    assert data["updateTime"] == data["completeTime"]


async def test_durations_lie_in_their_range_and_come_from_the_seed(start_kie: Any) -> None:
    lengths = []
    for seed in (3, 3, 4):
        kie = await start_kie(seed=seed, duration=(90, 240))
        async with KieCaller(kie) as caller:
            tasks = [await caller.task(order(f"clip {number}")) for number in range(8)]
            kie.advance(241)
            lengths.append([(await caller.ended(task))["costTime"] for task in tasks])
    assert lengths[0] == lengths[1] != lengths[2]
    assert all(90_000 <= length <= 240_000 for length in lengths[0])
    assert len(set(lengths[0])) == 8


async def test_time_passes_faster_at_speed(start_kie: Any) -> None:
    kie = await start_kie(speed=200, duration=(60, 60))
    async with KieCaller(kie) as caller:
        data = await caller.ended(await caller.task(), seconds=5)
    assert data["costTime"] == 60_000


async def test_a_task_can_be_stuck_for_ever(kie: KieSimulator, caller: KieCaller) -> None:
    kie.order(match="stuck", stuck=True)
    stuck, fine = await caller.task(order("stuck")), await caller.task()
    kie.advance(7 * 86_400)
    assert (await caller.ended(fine))["state"] == "success"
    assert (await caller.look(stuck))["state"] == "generating"
    assert kie.ledger.in_flight == 1
    kie.configure(stuck=1)
    other = await caller.task(order("another"))
    kie.advance(86_400)
    assert (await caller.look(other))["state"] == "generating"


async def test_states_can_be_told_in_unknown_words(kie: KieSimulator, caller: KieCaller) -> None:
    kie.configure(words={"waiting": "queueing"})
    kie.order(match="odd", word="processing", duration=50)
    usual, odd = await caller.task(), await caller.task(order("odd"))
    assert (await caller.look(usual))["state"] == "queueing"
    assert (await caller.look(odd))["state"] == "processing"
    kie.advance(60)
    assert (await caller.ended(odd))["state"] == "success"


async def test_a_new_task_is_not_known_for_a_while(start_kie: Any) -> None:
    kie = await start_kie(grace=30)
    async with KieCaller(kie) as caller:
        task = await caller.task()
        assert (await caller.record(task)).json() == {"code": 422, "msg": "recordInfo is null", "data": None}
        kie.advance(31)
        assert (await caller.look(task))["state"] != "success"
        kie.order(match="at once", grace=0)
        assert (await caller.record(await caller.task(order("at once")))).json()["code"] == 200


async def test_an_unknown_task_is_a_422_or_a_404_and_no_task_a_400(kie: KieSimulator, caller: KieCaller) -> None:
    assert (await caller.record("nobody")).json()["code"] == 422
    kie.configure(unknown_task_code=404)
    assert (await caller.record("nobody")).json()["code"] == 404
    assert (await caller.http.get("/api/v1/jobs/recordInfo")).json()["code"] == 400


async def test_the_result_comes_in_all_variants(kie: KieSimulator, caller: KieCaller) -> None:
    kie.order(match="by order", result="no_urls")
    task, ordered = await caller.task(), await caller.task(order("by order"))
    kie.advance(300)
    url = await caller.url(task)
    seen: dict[str, Any] = {}
    for variant in ("null", "empty", "malformed", "no_urls", "response", "string"):
        kie.configure(result=variant)
        seen[variant] = await caller.look(task)
    assert seen["null"]["resultJson"] is None
    assert seen["empty"]["resultJson"] == ""
    with pytest.raises(ValueError, match="line 1"):
        json.loads(seen["malformed"]["resultJson"])
    assert json.loads(seen["no_urls"]["resultJson"]) == {"resultUrls": []}
    assert seen["response"]["response"] == {"resultUrls": [url]}
    assert json.loads(seen["string"]["resultJson"]) == {"resultUrls": [url]}
    assert json.loads((await caller.ended(ordered))["resultJson"]) == {"resultUrls": []}


@pytest.mark.parametrize(
    ("fail", "code", "words"),
    [
        ("content_policy", "SENSITIVE_WORD_ERROR", "prohibited content"),
        ("internal", "500", "Internal Error"),
        ("timeout", "500", "timed out"),
        ("image", "422", "Image fetch failed"),
        ("The cat did not want to.", "500", "The cat did not want to."),
    ],
)
async def test_a_task_fails_on_order(kie: KieSimulator, caller: KieCaller, fail: str, code: str, words: str) -> None:
    kie.order(match="clip 07", fail=fail)
    good, bad = await caller.task(order("clip 06")), await caller.task(order("clip 07"))
    kie.advance(300)
    assert (await caller.ended(good))["state"] == "success"
    data = await caller.ended(bad)
    assert (data["state"], data["failCode"], data["creditsConsumed"]) == ("fail", code, 0)
    assert words in data["failMsg"]
    assert data["resultJson"] == ""
    assert (kie.ledger.billed, kie.ledger.tasks[1].fail_code) == (1, code)


async def test_the_fail_code_can_be_null_empty_or_any_code(kie: KieSimulator, caller: KieCaller) -> None:
    kie.order(fail="internal", fail_code="501")
    task = await caller.task()
    kie.advance(300)
    seen = []
    for style in ("string", "null", "empty"):
        kie.configure(fail_code_style=style)
        seen.append((await caller.look(task))["failCode"])
    assert seen == ["501", None, ""]


async def test_an_order_can_hit_one_task_only(kie: KieSimulator, caller: KieCaller) -> None:
    kie.order(fail="internal", nth=2, count=1)
    tasks = [await caller.task(order(f"clip {number}")) for number in range(4)]
    kie.advance(300)
    assert [(await caller.ended(task))["state"] for task in tasks] == ["success", "fail", "success", "success"]


async def test_small_things_are_told_differently(kie: KieSimulator, caller: KieCaller) -> None:
    running = await caller.task()
    kie.configure(unfinished_result=None)
    assert (await caller.look(running))["resultJson"] is None
    kie.advance(300)
    assert (await caller.ended(running))["creditsConsumed"] == 42
    kie.configure(credits_consumed="absent", cost_time="s", message_key="message")
    told = (await caller.record(running)).json()
    assert told["message"] == "success"
    assert "creditsConsumed" not in told["data"]
    assert 90 <= told["data"]["costTime"] <= 240
    kie.configure(credits_consumed="null")
    assert (await caller.look(running))["creditsConsumed"] is None


async def test_the_envelope_can_fail_while_the_task_is_healthy(kie: KieSimulator, caller: KieCaller) -> None:
    kie.configure(hiccups=0.5, poll_limit=0)
    task = await caller.task()
    codes = [(await caller.record(task)).json()["code"] for _ in range(40)]
    assert set(codes) == {200, 500}
    kie.configure(hiccups=0)
    assert (await caller.look(task))["state"] == "waiting"


async def test_polls_are_capped_per_key_and_second(start_kie: Any) -> None:
    kie = await start_kie(api_keys=("a", "b"), poll_limit=10)
    async with KieCaller(kie, key="a") as one, KieCaller(kie, key="b") as other:
        task = await one.task()
        codes = [(await one.record(task)).json()["code"] for _ in range(12)]
        assert codes == [200] * 10 + [429] * 2
        assert (await other.record(task)).json()["code"] == 200
        kie.advance(1.1)
        assert (await one.record(task)).json()["code"] == 200
        kie.configure(poll_limit=0)
        assert {(await one.record(task)).json()["code"] for _ in range(30)} == {200}
        assert kie.ledger.polls == 44
        assert kie.ledger.accepted == 1


def test_a_running_task_without_an_end_still_has_times() -> None:
    from simulators.kie.tasks import Task

    body = order()
    task = Task("t", 1, 0, body, 5, "", 42, 42, wall=0, created=100, due=math.inf)
    assert [task.state(100), task.state(105), task.state(10**9)] == ["waiting", "queuing", "generating"]
    assert task.updated(10**9) < 200
    assert Task.from_json(json.loads(json.dumps(task.to_json()))) == task
