"""Signed callbacks: with a key set, only KIE.ai is listened to."""

import time

from gateway.signatures import SIGNATURE_HEADER, SKEW, TIMESTAMP_HEADER, signature
from simulators.kie import KieSimulator
from tests.gateway.conftest import KEY, Gateway
from tests.gateway.videos import CalledVideo, PlaceOrder, Video, address, body
from tests.simulators.callers import KieCaller, order, until
from tests.studio_at_work import eventually

TASK = "task_sim_0001"
SECONDS = int(SKEW.total_seconds())


def signed(age: int, *, key: str = KEY) -> dict[str, str]:
    stamp = str(int(time.time()) - age)
    return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature(key, TASK, stamp)}


def signed_at(stamp: str) -> dict[str, str]:
    return {TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature(KEY, TASK, stamp)}


def without(name: str) -> dict[str, str]:
    return {header: value for header, value in signed(0).items() if header != name}


def test_the_signature_is_the_one_of_the_fact_sheet() -> None:
    vector = "bH/N3dKQwic/TVWwkxGFGKIbZwPkgziO4jXifg8gZqA="
    assert signature("sim-hmac-key", "task_sim_0001", "1767225600") == vector


# ── from KIE.ai ──────────────────────────────────────────────────────────


async def test_a_signed_callback_reaches_its_video_and_no_other_does(
    signed_gateway: Gateway, video: Video, kie: KieSimulator, caller: KieCaller, ordered: PlaceOrder
) -> None:
    path = address(intent=await ordered())
    for kind in ("none", "bad", "old"):
        kie.configure(callbacks={"signature": kind, "key": KEY})
        await caller.task(order(callback=signed_gateway.url + path))
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [401] * 3)
    assert await signed_gateway.inbox.waiting() == 0
    tasks = []
    for id_style in ("taskId", "task_id", "root"):
        kie.configure(callbacks={"signature": "signed", "key": KEY, "id_style": id_style})
        tasks.append(await caller.task(order(callback=signed_gateway.url + path)))
    seen = await eventually(lambda: video.query(CalledVideo.calls), lambda calls: len(calls) >= len(tasks))
    assert sorted(call.task_id for call in seen) == sorted(tasks)


async def test_a_body_that_was_changed_on_its_way_is_a_hint_like_any_other(
    signed_gateway: Gateway, video: Video, kie: KieSimulator, caller: KieCaller, ordered: PlaceOrder
) -> None:
    """The signature covers the task only, and the task is all that is taken."""
    kie.configure(callbacks={"signature": "tampered", "key": KEY})
    task = await caller.task(order(callback=signed_gateway.url + address(intent=await ordered())))
    seen = await eventually(lambda: video.query(CalledVideo.calls), bool)
    assert [call.model_dump().keys() for call in seen] == [{"submission_id", "number", "task_id"}]
    assert seen[0].task_id == task


# ── by hand ──────────────────────────────────────────────────────────────


async def test_a_signature_is_good_for_its_task_and_for_some_minutes(signed_gateway: Gateway) -> None:
    not_fit, too_far = "The signature does not fit.", "The timestamp is too far from now."
    given: list[tuple[dict[str, str], str, int, str | None]] = [
        *((signed(age), TASK, 200, None) for age in (0, SECONDS - 30, 30 - SECONDS)),
        *((signed(age), TASK, 401, too_far) for age in (SECONDS + 30, -SECONDS - 30)),
        (signed(0), "task_2", 401, not_fit),
        (signed(0, key="another"), TASK, 401, not_fit),
        *((signed_at(stamp), TASK, 401, None) for stamp in ("", "yesterday", "-1", "1767225600.5", "9" * 500)),
        *((without(name), TASK, 401, None) for name in (TIMESTAMP_HEADER, SIGNATURE_HEADER)),
    ]
    for headers, task, status, detail in given:
        answer = await signed_gateway.http.post(address(), json=body(task), headers=headers)
        assert answer.status_code == status, headers
        assert detail is None or answer.json()["detail"] == detail
        assert KEY not in answer.text


async def test_a_signature_of_any_bytes_is_refused_and_not_stumbled_over(signed_gateway: Gateway) -> None:
    stamp = str(int(time.time())).encode()
    for given in (b"", b"\xe9\xff", b"A" * 10_000):
        headers = {TIMESTAMP_HEADER.encode(): stamp, SIGNATURE_HEADER.encode(): given}
        answer = await signed_gateway.http.post(address(), json=body(TASK), headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
