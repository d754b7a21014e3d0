"""Every class of refusal KIE.ai has: how often it billed, how the clip stands, what a person reads."""

import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.film import VideoProgress
from studio.store.budgets import BudgetStore
from studio.store.desk import DeskStore
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.video import VideoWorkflow

PERMANENT = [
    (400, "RequestRefused", "KIE.ai refused the request (400)"),
    (403, "Forbidden", "KIE.ai forbids this - Check the key's IP whitelist"),
    (404, "RequestRefused", "KIE.ai refused the request (404)"),
    (422, "RequestRefused", "KIE.ai refused the request (422)"),
    (451, "StillUnreachable", "KIE.ai could not fetch the still"),
    (501, "RequestRefused", "KIE.ai refused the request (501)"),
    (505, "RequestRefused", "KIE.ai refused the request (505)"),
]
STOPPING = [
    (401, "AuthenticationError", "KIE.ai authentication failed - Check KIE_API_KEY"),
    (402, "InsufficientCredits", "KIE.ai has no credits left - Top up the account"),
    (433, "SpendingCapReached", "The spending cap of KIE_API_KEY is reached - Raise it at KIE.ai"),
]
UNCLEAR: list[object] = [
    {"http": 500},
    {"body_code": 500, "msg": "Server exception"},
    {"body_code": 408},
    {"html": 502},
    {"http": 503, "text": ""},
]
LOST: list[object] = ["accept_then_reset", "truncated_body", "zero_bytes", "invalid_json"]


async def stopped(studio: StudioAtWork, clips: int = 2) -> VideoProgress:
    return await studio.waiting(await studio.start(await studio.request(clips=clips)))


async def films(studio: StudioAtWork, count: int) -> list[Handle]:
    """So many films of two clips at once, each in a channel of its own: c0/v0, c1/v1, …"""
    requests = [await studio.request(f"v{n}", channel=f"c{n}", clips=2) for n in range(count)]
    return [await studio.start(request) for request in requests]


def second_clip(kie: KieSimulator, faults: Sequence[object]) -> None:
    """One fault for the second clip of each of these films."""
    for n, fault in enumerate(faults):
        kie.script("createTask", [fault], match=f"corridor 02 of v{n}.")


async def test_a_permanent_refusal_fails_its_clip_at_once_and_costs_nothing(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    second_clip(kie, [{"body_code": code} for code, _, _ in PERMANENT])
    for handle, (code, kind, words) in zip(await films(studio, len(PERMANENT)), PERMANENT, strict=True):
        progress = await studio.waiting(handle)
        assert [clip.status for clip in progress.clips] == [ClipStatus.DONE, ClipStatus.FAILED], code
        assert progress.clips[1].note.startswith(words), code
        (row,) = await studio.rows(
            "select error_type, error from clips where number = 2 and channel = $1", handle.id.split("/")[1]
        )
        assert row["error_type"] == kind, code
        assert row["error"].startswith(words), code
    assert (kie.ledger.billed, len(kie.ledger.refused)) == (len(PERMANENT), len(PERMANENT))


@pytest.mark.parametrize(("code", "kind", "words"), STOPPING)
async def test_what_would_meet_everybody_costs_one_refused_order_and_closes_the_gate(
    studio: StudioAtWork, kie: KieSimulator, code: int, kind: str, words: str
) -> None:
    kie.script("createTask", [{"body_code": code}], repeat=True)
    handle = await studio.start(await studio.request(clips=8))
    progress = await studio.waiting(handle)
    assert kie.ledger.billed == 0
    assert [refusal["code"] for refusal in kie.ledger_json()["refused"]] == [code]
    assert sum(clip.note.startswith(words) for clip in progress.clips) == 1
    assert sum(clip.note.startswith(f"Not ordered: {words}") for clip in progress.clips) == 7
    assert (await studio.gate_state()).closed is not None
    kie.reset("faults")
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.billed == 8


async def test_a_bad_key_costs_one_refused_request_in_all(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(api_keys=["another-key"])
    progress = await stopped(studio, clips=8)
    assert [(r["route"], r["code"]) for r in kie.ledger_json()["refused"]] == [("credit", 401)]
    assert {clip.note for clip in progress.clips} == {"KIE.ai authentication failed - Check KIE_API_KEY"}


async def test_an_empty_account_is_noticed_before_anything_is_ordered(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(credits=0)
    progress = await stopped(studio, clips=4)
    assert kie.ledger.refused == []
    assert "KIE.ai has no credits left" in progress.message


async def test_films_that_wait_at_a_closed_gate_go_on_when_somebody_resumes_one(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.script("createTask", [{"body_code": 402}], match="vid_1", repeat=True)
    refused = await studio.start(await studio.request("vid_1", clips=2))
    await studio.waiting(refused)
    other = await studio.start(await studio.request("vid_2", clips=2, channel="poke2"))
    await studio.waiting(refused)
    kie.reset("faults")
    await refused.signal(VideoWorkflow.resume)
    await refused.result()
    await other.result()
    assert kie.ledger.billed == 4


async def test_too_many_requests_are_waited_for(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("createTask", [{"http": 429}, {"http": 429}, {"http": 429}], match="corridor 02")
    await studio.make(await studio.request(clips=2))
    assert kie.ledger.billed == 2
    refused = [r for r in kie.ledger_json()["refused"] if r["code"] == 429]
    pauses = [b["virtual"] - a["virtual"] for a, b in itertools.pairwise(refused)]
    assert pauses[0] >= 10
    assert pauses[1] >= 20


async def test_too_many_requests_for_too_long_are_an_answer(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("createTask", [{"http": 429}], match="corridor 02", repeat=True)
    progress = await stopped(studio)
    assert progress.clips[1].note.startswith("Rate limit exhausted")
    assert (kie.ledger.billed, len(kie.ledger.refused)) == (1, 4)


async def test_maintenance_is_waited_for(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("createTask", [{"body_code": 455}], match="corridor 02")
    await studio.make(await studio.request(clips=2))
    assert kie.ledger.billed == 2


async def tried_again(handle: Handle) -> VideoProgress:
    """A film's progress, once its second clip was tried twice."""
    return await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: p.clips[1].tries == 2)


async def unknown_and_resumed(studio: StudioAtWork, faults: Sequence[object]) -> None:
    """The second clip of each film is unknown, also after the film was resumed."""
    handles = await films(studio, len(faults))
    for handle, fault in zip(handles, faults, strict=True):
        progress = await studio.waiting(handle)
        assert progress.clips[1].status is ClipStatus.UNKNOWN, fault
        assert str(progress.clips[1].status) == "paid? unknown", fault
        await handle.signal(VideoWorkflow.resume)
    for handle, fault in zip(handles, faults, strict=True):
        await tried_again(handle)
        assert (await studio.waiting(handle)).clips[1].status is ClipStatus.UNKNOWN, fault


async def test_an_unclear_answer_is_not_sent_again_by_anybody(studio: StudioAtWork, kie: KieSimulator) -> None:
    second_clip(kie, UNCLEAR)
    await unknown_and_resumed(studio, UNCLEAR)
    assert kie.ledger.accepted == len(UNCLEAR)
    rows = await studio.rows("select state from submissions where number = 2")
    assert [row["state"] for row in rows] == ["unknown"] * len(UNCLEAR)


async def test_an_order_whose_answer_gets_lost_is_paid_once_and_shown_as_unknown(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    second_clip(kie, LOST)
    await unknown_and_resumed(studio, LOST)
    assert kie.ledger.accepted == kie.ledger.billed == 2 * len(LOST)


async def test_a_provider_that_is_not_there_is_waited_for(studio: StudioAtWork, kie: KieSimulator) -> None:
    request = await studio.request(clips=2)
    kie.script("createTask", ["reset_before"], match="nothing matches this")
    await studio.make(request)
    assert kie.ledger.billed == 2


@pytest.mark.parametrize(
    "fault",
    [
        {"http": 500},
        {"body_code": 500},
        {"http": 429},
        {"body_code": 455},
        {"html": 502},
        "reset_before",
        "invalid_json",
    ],
    ids=str,
)
async def test_a_look_that_fails_does_not_fail_the_clip(studio: StudioAtWork, kie: KieSimulator, fault: object) -> None:
    kie.script("recordInfo", [fault, fault])
    await studio.make(await studio.request(clips=1))
    assert kie.ledger.billed == 1


async def test_a_task_kie_does_not_show_yet_is_not_lost(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(grace=20)
    await studio.make(await studio.request(clips=1))
    assert kie.ledger.billed == 1


async def test_a_task_kie_never_shows_stays_paid_and_is_not_bought_again(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Ten minutes (of KIE.ai's time) of "not found" are no proof: the order is unknown, and a person decides."""
    kie.order(match="corridor 01", grace=100_000, count=1)
    handle = await studio.start(await studio.request(clips=1, budget_usd=Decimal("0.30")))
    progress = await studio.waiting(handle)
    assert progress.clips[0].status is ClipStatus.UNKNOWN
    (task,) = kie.ledger.tasks
    (order,) = await DeskStore(studio.database).lost()
    assert (order.task_id, order.state) == (task.task_id, "unknown")
    await handle.signal(VideoWorkflow.resume)
    await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: p.clips[0].tries == 2)
    assert kie.ledger.accepted == 1
    (budget,) = await BudgetStore(studio.database).limits()
    assert budget.spent_usd == order.price_usd


async def test_one_answer_that_a_task_is_not_there_changes_nothing_however_late(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Long after the ninety seconds in which a new task may be missing."""
    kie.configure(duration=(700, 700))
    kie.script("recordInfo", ["ok"] * 10 + [{"body_code": 422}, "ok", {"body_code": 404}, {"http": 404}])
    result = await studio.make(await studio.request(clips=1, clip_deadline_seconds=1_800))
    assert str(result.total_cost_usd) == "0.210000"
    assert kie.ledger.accepted == 1
    assert kie.ledger.polls > 13


FAILURES = {"content_policy": "ContentRefused", "internal": "GenerationFailed", "timeout": "GenerationFailed"}


async def test_a_task_that_fails_says_why_and_costs_what_was_billed(studio: StudioAtWork, kie: KieSimulator) -> None:
    for n, why in enumerate(FAILURES):
        kie.order(match=f"corridor 02 of v{n}.", fail=why, bill_failed=True, count=1)
    for handle, (why, kind) in zip(await films(studio, len(FAILURES)), FAILURES.items(), strict=True):
        progress = await studio.waiting(handle)
        channel = handle.id.split("/")[1]
        assert progress.clips[1].note.startswith("Kling could not make the clip: "), why
        (clip,) = await studio.rows("select error_type from clips where number = 2 and channel = $1", channel)
        (order,) = await studio.rows(
            "select verdict, billed_usd::text from submissions where number = 2 and channel = $1", channel
        )
        assert clip["error_type"] == kind, why
        assert order == {"verdict": "failed", "billed_usd": "0.210000"}, why


async def test_a_price_of_another_class_closes_the_gate(studio: StudioAtWork, kie: KieSimulator) -> None:
    """The vendor's page for the cheap model carries the id of a model that costs four times as much."""
    kie.order(match="corridor 01", credits=160)
    result = await studio.make(await studio.request(clips=1))
    assert str(result.total_cost_usd) == "0.800000"
    state = await studio.gate_state()
    assert state.closed is not None
    assert "billed 0.800000 USD for a clip of 0.210000 USD" in state.closed
