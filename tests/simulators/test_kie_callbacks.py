"""Callbacks: when they come, how often, in which order, and how far they can be trusted."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest

from simulators.kie import KieSimulator
from simulators.kie.records import signature
from tests.simulators.callers import KieCaller, Receiver, order, until


async def finished(kie: KieSimulator, caller: KieCaller, receiver: Receiver, prompt: str = "p") -> str:
    task = await caller.task(order(prompt, callback=f"{receiver.url}?clip=07"))
    kie.advance(300)
    await caller.ended(task)
    return task


async def test_a_success_is_announced_once(kie: KieSimulator, caller: KieCaller, receiver: Receiver) -> None:
    task = await finished(kie, caller, receiver)
    await until(lambda: receiver.bodies)
    body = receiver.bodies[0]
    assert (body["code"], body["msg"]) == (200, "Playground task completed successfully.")
    data = body["data"]
    assert (data["taskId"], data["state"]) == (task, "success")
    assert json.loads(data["resultJson"])["resultUrls"] == [await caller.url(task)]
    assert json.loads(data["param"])["callBackUrl"] == f"{receiver.url}?clip=07"
    assert (data["failCode"], data["failMsg"]) == (None, None)
    assert (data["consumeCredits"], data["remainedCredits"]) == (42, 9_958)
    assert data["completeTime"] >= data["createTime"]
    assert "X-Webhook-Signature" not in receiver.headers[0]
    assert [(call.task_id, call.status) for call in kie.ledger.callbacks] == [(task, 200)]


async def test_a_failure_is_announced_with_code_501(kie: KieSimulator, caller: KieCaller, receiver: Receiver) -> None:
    kie.order(fail="internal")
    await finished(kie, caller, receiver)
    await until(lambda: receiver.bodies)
    body = receiver.bodies[0]
    assert body["code"] == 501
    assert (body["data"]["state"], body["data"]["failCode"], body["data"]["resultJson"]) == ("fail", "500", None)
    assert (body["data"]["consumeCredits"], body["data"]["remainedCredits"]) == (0, 10_000)


async def test_callbacks_can_stay_away(kie: KieSimulator, caller: KieCaller, receiver: Receiver) -> None:
    kie.configure(callbacks={"mode": "never"})
    kie.order(match="told", callbacks={"mode": "once"})
    await finished(kie, caller, receiver, "silent")
    told = await finished(kie, caller, receiver, "told")
    await until(lambda: receiver.bodies)
    assert receiver.task_ids == [told]


async def test_callbacks_can_come_late(start_kie: Any, receiver: Receiver) -> None:
    kie = await start_kie(callbacks={"delay": 120})
    async with KieCaller(kie) as caller:
        await finished(kie, caller, receiver)
        kie.advance(100)
        await caller.credit()
        assert receiver.bodies == []
        kie.advance(21)
        await until(lambda: receiver.bodies)


async def test_callbacks_can_wait_until_the_end_was_polled(
    kie: KieSimulator, caller: KieCaller, receiver: Receiver
) -> None:
    kie.order(match="patient", callbacks={"after_polled": True})
    patient = await caller.task(order("patient", callback=receiver.url))
    kie.advance(300)
    await until(lambda: kie.ledger.in_flight == 0)
    eager = await finished(kie, caller, receiver, "eager")
    await until(lambda: receiver.bodies)
    assert receiver.task_ids == [eager]
    await caller.ended(patient)
    await until(lambda: len(receiver.bodies) == 2)
    assert receiver.task_ids == [eager, patient]


async def test_callbacks_can_come_twice(kie: KieSimulator, caller: KieCaller, receiver: Receiver) -> None:
    kie.configure(callbacks={"copies": 3})
    task = await finished(kie, caller, receiver)
    await until(lambda: len(receiver.bodies) == 3)
    assert receiver.task_ids == [task] * 3


async def test_callbacks_can_come_in_reverse(kie: KieSimulator, caller: KieCaller, receiver: Receiver) -> None:
    kie.configure(callbacks={"hold": 3}, duration=(10, 10))
    tasks = [await caller.task(order(f"clip {number}", callback=receiver.url)) for number in range(4)]
    kie.advance(300)
    await until(lambda: len(receiver.bodies) == 4)
    # Three are collected and turned round; the fourth is the last there is, so nothing is waited for.
    assert receiver.task_ids == [tasks[2], tasks[1], tasks[0], tasks[3]]


@pytest.mark.parametrize(("style", "place"), [("task_id", ("data", "task_id")), ("root", ("taskId",))])
async def test_the_task_id_can_stand_elsewhere(
    kie: KieSimulator, caller: KieCaller, receiver: Receiver, style: str, place: tuple[str, ...]
) -> None:
    kie.configure(callbacks={"id_style": style})
    task = await finished(kie, caller, receiver)
    await until(lambda: receiver.bodies)
    found: Any = receiver.bodies[0]
    assert "taskId" not in found["data"]
    for key in place:
        found = found[key]
    assert found == task


async def test_a_callback_can_report_failure_of_a_success_or_an_old_state(
    kie: KieSimulator, caller: KieCaller, receiver: Receiver
) -> None:
    kie.order(match="lie", callbacks={"body": "fail"})
    kie.order(match="old", callbacks={"body": "stale"})
    lied = await finished(kie, caller, receiver, "lie")
    await until(lambda: len(receiver.bodies) == 1)
    await finished(kie, caller, receiver, "old")
    await until(lambda: len(receiver.bodies) == 2)
    lie, old = receiver.bodies
    assert (lie["code"], lie["data"]["state"], lie["data"]["consumeCredits"]) == (501, "fail", 0)
    assert (await caller.look(lied))["state"] == "success"
    assert (old["code"], old["data"]["state"], old["data"]["completeTime"]) == (200, "generating", None)


async def test_a_callback_can_arrive_before_its_create_task_is_answered(
    kie: KieSimulator, caller: KieCaller, receiver: Receiver
) -> None:
    kie.configure(callbacks={"before_response": True})
    receiver.delay = 0.1
    creating = asyncio.create_task(caller.create(order(callback=receiver.url)))
    await until(lambda: receiver.bodies)
    assert not creating.done()
    task = (await creating).json()["data"]["taskId"]
    assert receiver.task_ids == [task]
    assert (await caller.look(task))["state"] == "success"
    assert len(kie.ledger.callbacks) == 1


async def test_the_receiver_has_its_time_and_is_tried_again_if_so_configured(
    start_kie: Any, receiver: Receiver
) -> None:
    kie = await start_kie(speed=100, duration=(0, 0), callbacks={"timeout": 60, "retries": 2, "retry_wait": 1})
    async with KieCaller(kie) as caller:
        receiver.statuses = [500]
        await caller.task(order(callback=receiver.url))
        await until(lambda: len(kie.ledger.callbacks) == 2)
        assert [call.status for call in kie.ledger.callbacks] == [500, 200]
        receiver.delay = 0.3
        kie.configure(callbacks={"timeout": 0.1})
        started = time.monotonic()
        await caller.task(order("slow", callback=receiver.url))
        await until(lambda: len(kie.ledger.callbacks) == 5)
        assert [call.status for call in kie.ledger.callbacks][2:] == [0, 0, 0]
        assert time.monotonic() - started >= 0.3


async def test_nobody_at_the_callback_url_is_noted(kie: KieSimulator, caller: KieCaller) -> None:
    await caller.task(order(callback="http://127.0.0.1:1/hook"))
    await caller.task(order("b", callback="http://[broken/hook"))
    kie.advance(300)
    await until(lambda: len(kie.ledger.callbacks) == 2)
    assert {call.status for call in kie.ledger.callbacks} == {0}
    assert kie.state()["problems"] == []


async def test_an_answer_that_got_lost_still_leads_to_a_callback_and_a_second_order_shows(
    kie: KieSimulator, caller: KieCaller, receiver: Receiver
) -> None:
    kie.script("createTask", ["accept_then_reset"])
    body = order(callback=f"{receiver.url}?wf=1")
    with pytest.raises(httpx.HTTPError):
        await caller.create(body)
    lost = kie.ledger.tasks[0].task_id
    kie.advance(300)
    await until(lambda: receiver.task_ids == [lost])
    assert kie.ledger.duplicates == {}
    again = await caller.task(body)
    assert list(kie.ledger.duplicates.values()) == [[lost, again]]
    assert await caller.credit() == 10_000 - 84


# ── signatures ───────────────────────────────────────────────────────────


def test_the_signature_is_the_one_of_the_fact_sheet() -> None:
    vector = "bH/N3dKQwic/TVWwkxGFGKIbZwPkgziO4jXifg8gZqA="
    assert signature("sim-hmac-key", "task_sim_0001", "1767225600") == vector


@pytest.mark.parametrize(
    ("kind", "valid", "fresh", "genuine"),
    [
        ("signed", True, True, True),
        ("bad", False, True, True),
        ("old", True, False, True),
        ("tampered", True, True, False),
    ],
)
async def test_a_signature_covers_the_task_and_the_time_but_not_the_body(
    kie: KieSimulator, caller: KieCaller, receiver: Receiver, kind: str, valid: bool, fresh: bool, genuine: bool
) -> None:
    kie.configure(callbacks={"signature": kind, "key": "secret"})
    task = await finished(kie, caller, receiver)
    await until(lambda: receiver.bodies)
    headers = receiver.headers[0]
    stamp = headers["X-Webhook-Timestamp"]
    url = json.loads(receiver.bodies[0]["data"]["resultJson"])["resultUrls"][0]
    assert (headers["X-Webhook-Signature"] == signature("secret", task, stamp)) is valid
    assert (abs(kie.clock.now() - int(stamp)) < 300) is fresh
    assert (url == await caller.url(task)) is genuine
