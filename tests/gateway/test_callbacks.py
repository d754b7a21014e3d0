"""KIE.ai calls back: what reaches the video, and what is turned away at the door."""

import json
import uuid
from pathlib import Path
from typing import Any

import httpx
from temporalio.client import Client

from simulators.kie import KieSimulator
from studio.callback_address import CallbackSigner, CallbackSubject
from studio.contracts.callback import CalledBack
from studio.store.callbacks import MOST_TASKS
from tests.gateway.conftest import Gateway, StartGateway
from tests.gateway.videos import CalledVideo, PlaceOrder, Video, address, body, start_video
from tests.simulators.callers import KieCaller, order, until
from tests.studio_at_work import eventually
from workflows_temporal.addresses import late_workflow_id

CASES = Path(__file__).parent / "cases"
NO_BODY = "The body names no task"


async def calls(video: Video, at_least: int = 1) -> list[CalledBack]:
    return await eventually(lambda: video.query(CalledVideo.calls), lambda seen: len(seen) >= at_least)


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = answer.json()
    assert told["status"] == answer.status_code
    return told


# ── from KIE.ai to the video ─────────────────────────────────────────────


async def test_a_callback_reaches_its_video_whatever_its_body_is_like_and_whenever_it_comes(
    gateway: Gateway, video: Video, kie: KieSimulator, caller: KieCaller, ordered: PlaceOrder
) -> None:
    styles: list[dict[str, Any]] = [
        {"callbacks": {"id_style": "taskId"}},
        {"callbacks": {"id_style": "task_id"}},
        {"callbacks": {"id_style": "root"}},
        {"callbacks": {"body": "stale"}},
        {"callbacks": {"body": "fail"}},
        {"callbacks": {"before_response": True}},
        {"callbacks": {"signature": "bad"}},  # no key is set here
        {"task_id_style": "digits"},
        {"task_id_style": "model_ms"},
    ]
    for number, style in enumerate(styles, start=1):
        kie.configure(**style)
        intent = await ordered()
        task = await caller.task(order(callback=gateway.url + address(intent=intent)))
        told = (await calls(video, at_least=number))[-1]
        assert told == CalledBack(submission_id=intent, number=7, task_id=task), style
    await until(lambda: {call.status for call in kie.ledger.callbacks} == {200})


async def test_bodies_of_every_spelling_are_taken_or_refused_and_never_an_error_of_ours(
    gateway: Gateway, video: Video, ordered: PlaceOrder
) -> None:
    """The files are callbacks as they were seen or reported; w06, w08 and w10 are none of KIE.ai's."""
    refused = {"w06_data_as_text", "w08_array", "w10_form_encoded"}
    paths = sorted(CASES.iterdir())
    assert len(paths) == 13
    taken = []
    for path in paths:
        intent = await ordered()
        answer = await gateway.http.post(address(intent=intent), content=path.read_bytes())
        if path.stem in refused:
            assert 400 <= answer.status_code < 500, path.name
        else:
            assert (answer.status_code, answer.json()) == (200, {"status": "stored"}), path.name
            taken.append(intent)
    seen = await calls(video, at_least=len(taken))
    assert sorted(call.submission_id for call in seen) == sorted(taken)
    assert {"1234567890123", "kling/2026/abc==", "task_demo_1", "task_of_somebody_else"} == {
        call.task_id for call in seen
    }


async def test_the_same_task_of_the_same_order_is_one_event_and_two_orders_are_two(
    gateway: Gateway, video: Video, kie: KieSimulator, caller: KieCaller, ordered: PlaceOrder
) -> None:
    kie.configure(callbacks={"copies": 5})
    first, second = await ordered(), await ordered()
    task = await caller.task(order(callback=gateway.url + address(intent=first)))
    await until(lambda: [call.status for call in kie.ledger.callbacks] == [200] * 5)
    assert (await gateway.post(address(intent=second), body(task))).json() == {"status": "stored"}
    seen = await calls(video, at_least=2)
    await gateway.emptied()
    assert {call.submission_id for call in seen} == {first, second}
    assert len(await calls(video)) == 2


async def test_each_video_is_told_of_its_own_clips(
    gateway: Gateway, video: Video, temporal: Client, ordered: PlaceOrder
) -> None:
    other = await start_video(temporal, "vid_2")
    for name, clip in (("vid_2", 1), ("vid_1", 2), ("vid_2", 3)):
        path = address(video=name, clip=clip, intent=await ordered(video=name, clip=clip))
        assert (await gateway.post(path)).status_code == 200
    await gateway.emptied()
    assert [call.number for call in await calls(video)] == [2]
    assert sorted(call.number for call in await calls(other, at_least=2)) == [1, 3]


# ── about no order of ours, or for no video ──────────────────────────────


async def test_a_callback_about_an_order_that_is_not_the_clips_starts_nothing(
    gateway: Gateway, temporal: Client, video: Video, ordered: PlaceOrder
) -> None:
    intent = await ordered(clip=7)
    others = [
        address(),
        address(intent=intent, clip=8),
        address(intent=intent, video="vid_2"),
        address(intent=intent, channel="poke2"),
    ]
    for path in others:
        answer = await gateway.post(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "unknown_order"}), path
    assert await gateway.inbox.waiting() == 0
    assert await video.query(CalledVideo.calls) == []
    assert [run.id async for run in temporal.list_workflows() if run.id.startswith("late/")] == []


async def test_a_callback_no_video_waits_for_is_looked_after_once(
    gateway: Gateway, temporal: Client, ordered: PlaceOrder
) -> None:
    intent = await ordered(video="ended")
    for task in ("task-9", "task-9", "task-10"):
        assert (await gateway.post(address(video="ended", intent=intent), body(task))).status_code == 200
    await gateway.emptied()
    late = temporal.get_workflow_handle(late_workflow_id(intent))
    (started,) = [event async for event in late.fetch_history_events()][:1]
    (given,) = started.workflow_execution_started_event_attributes.input.payloads
    assert json.loads(given.data)["submission_id"] == intent


async def test_an_order_has_one_task_so_many_tasks_named_for_it_are_not_all_kept(
    gateway: Gateway, video: Video, ordered: PlaceOrder
) -> None:
    intent = await ordered()
    answers = [(await gateway.post(address(intent=intent), body(f"task-{n}"))).json() for n in range(MOST_TASKS + 5)]
    assert [answer["status"] for answer in answers] == ["stored"] * MOST_TASKS + ["repeated"] * 5
    await gateway.emptied()
    assert len(await calls(video, at_least=MOST_TASKS)) == MOST_TASKS


# ── turned away ──────────────────────────────────────────────────────────


async def test_an_address_that_we_did_not_make_is_refused_with_the_reason(gateway: Gateway) -> None:
    wrong = [
        (address(intent="not-a-uuid"), "path.intent"),
        (address(channel="..%2Fgate"), "query.channel"),
        (address(video="a" * 101), "query.video"),
        (address(clip=0), "query.clip"),
        (address(clip="seven"), "query.clip"),
        (address().replace("video=", "flim="), "query.video"),
        (address() + "&signature=" + "a" * 201, "query.signature"),
    ]
    for path, named in wrong:
        answer = await gateway.post(path)
        assert answer.status_code == 422, path
        assert problem(answer)["detail"].startswith(f"{named}: ")


async def test_a_body_without_a_task_id_that_could_be_one_is_refused(gateway: Gateway) -> None:
    said: list[object] = [
        {},
        {"data": None},
        {"data": ["taskId"]},
        {"data": {"taskId": ""}},
        {"data": {"taskId": True}},
        {"data": {"taskId": 1.5}},
        {"data": {"taskId": 10**40}},
        {"data": {"taskId": "a" * 201}},
        {"data": {"taskId": "task\n1"}},
        {"data": {"taskId": "task\0"}},
        {"data": {"taskId": "task\ud800"}},
        {"taskId": {"$ne": None}},
        {"data": '{"taskId": "task_demo_1"}'},
    ]
    for one in said:
        answer = await gateway.http.post(address(), content=json.dumps(one))
        assert answer.status_code == 422, one
        assert NO_BODY in problem(answer)["detail"]


async def test_a_body_that_is_no_json_object_is_refused(gateway: Gateway) -> None:
    wrong = [b"", b"taskId=1", b"[1, 2]", b'"task"', b"\xff\xfe", b"\xef\xbb\xbf", b'{"data": {"taskId', b"[" * 100_000]
    wrong += [b'{"taskId": ' + b"9" * 5_000 + b"}", b'{"taskId": "\xff"}']
    for one in wrong:
        answer = await gateway.http.post(address(), content=one)
        assert answer.status_code == 400, one[:20]
        assert "no JSON" in problem(answer)["detail"]


async def test_what_is_not_there_is_a_problem_document_too(gateway: Gateway) -> None:
    for method, path, status in (("GET", "/callbacks/kie/1", 405), ("POST", "/callbacks/no/1", 404)):
        answer = await gateway.http.request(method, path)
        assert answer.status_code == status
        assert problem(answer)["title"]


async def test_the_description_of_the_api_is_served_only_when_asked_for(
    gateway: Gateway, start_gateway: StartGateway, nowhere: Client
) -> None:
    asked = await start_gateway(nowhere, docs=True)
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert (await gateway.http.get(path)).status_code == 404
        assert (await asked.http.get(path)).status_code == 200


# ── authenticated addresses ──────────────────────────────────────────────


async def test_a_forged_or_replayed_address_reaches_nothing(
    start_gateway: StartGateway, temporal: Client, video: Video, ordered: PlaceOrder
) -> None:
    """A code is good for its own provider, channel, video, clip and order, and for no other."""
    secret = "a-secret-for-callbacks"
    gateway = await start_gateway(temporal, secret=secret)
    intent, another = await ordered(), await ordered()
    code = code_of(secret, intent)
    forged = [
        address(intent=intent),
        address(intent=intent) + "&signature=",
        address(intent=intent) + f"&signature={code[:-1]}",
        address(intent=intent) + f"&signature={code.upper()}",
        address(intent=intent) + "&signature=é",
        address(intent=another) + f"&signature={code}",
        address(intent=intent, clip=8) + f"&signature={code}",
        address(intent=intent, video="vid_2") + f"&signature={code}",
        address(intent=intent, channel="poke2") + f"&signature={code}",
        address(intent=intent) + f"&signature={code_of('another-secret-of-some', intent)}",
        address(intent=str(uuid.uuid4())) + f"&signature={code}",
    ]
    for path in forged:
        answer = await gateway.post(path)
        assert answer.status_code == 401, path
        assert code not in problem(answer)["detail"]
    assert (await gateway.post(address(intent=intent) + f"&signature={code}")).json() == {"status": "stored"}
    assert [call.submission_id for call in await calls(video)] == [intent]


def code_of(secret: str, intent: str) -> str:
    return CallbackSigner(secret).code(CallbackSubject("kie", intent, "poke1", "vid_1", 7))
