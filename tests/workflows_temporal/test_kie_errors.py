"""Every class of refusal KIE.ai has: how often it billed, how the clip stands, what a person reads."""

import itertools
from collections.abc import Sequence
from decimal import Decimal

from temporalio.client import WorkflowExecutionDescription

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoProgress
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


def from_second_clip(kie: KieSimulator, faults: Sequence[object]) -> None:
    """The first of these faults for the second clip of the video, and so on."""
    for number, fault in enumerate(faults, start=2):
        kie.script("createTask", [fault], match=f"corridor {number:02d}")


async def test_a_permanent_refusal_fails_its_clip_at_once_and_costs_nothing(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    from_second_clip(kie, [{"body_code": code} for code, _, _ in PERMANENT])
    first, *refused = (await stopped(studio, clips=1 + len(PERMANENT))).clips
    assert first.status is ClipStatus.DONE
    rows = await studio.rows("select error_type, error from clips where number > 1 order by number")
    for clip, row, (code, kind, words) in zip(refused, rows, PERMANENT, strict=True):
        assert clip.status is ClipStatus.FAILED, code
        assert clip.note.startswith(words), code
        assert row["error_type"] == kind, code
        assert row["error"].startswith(words), code
    assert (kie.ledger.billed, len(kie.ledger.refused)) == (1, len(PERMANENT))


async def test_what_would_meet_everybody_costs_one_refused_order_and_closes_the_gate(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """One reason after the other: each time the video is resumed, the next one is met."""
    handle: Handle | None = None
    for times, (code, _, words) in enumerate(STOPPING, start=1):
        kie.reset("faults")
        kie.script("createTask", [{"body_code": code}], repeat=True)
        if handle is None:
            handle = await studio.start(await studio.request(clips=4))
        else:
            await handle.signal(VideoWorkflow.resume)
        progress = await noted(studio, handle, words)
        assert kie.ledger.billed == 0
        assert [refusal["code"] for refusal in kie.ledger_json()["refused"]] == [
            code for code, _, _ in STOPPING[:times]
        ]
        assert sum(clip.note.startswith(words) for clip in progress.clips) == 1
        assert sum(clip.note.startswith(f"Not ordered: {words}") for clip in progress.clips) == 3
        assert (await studio.gate_state()).closed is not None
    assert handle is not None
    kie.reset("faults")
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert kie.ledger.billed == 4


async def noted(studio: StudioAtWork, handle: Handle, words: str) -> VideoProgress:
    """The progress of a video that waits, once every clip's note has these words."""
    return await eventually(
        lambda: studio.waiting(handle), lambda progress: all(words in clip.note for clip in progress.clips)
    )


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


async def test_videos_that_wait_at_a_closed_gate_go_on_when_somebody_resumes_one(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.script("createTask", [{"body_code": 402}], match="vid_1", repeat=True)
    refused = await studio.start(await studio.request("vid_1", clips=1))
    await studio.waiting(refused)
    other = await studio.start(await studio.request("vid_2", clips=1, channel="poke2"))
    await eventually(studio.gate_state, lambda gate: gate.waiting == 1)
    assert kie.ledger.billed == 0
    kie.reset("faults")
    await refused.signal(VideoWorkflow.resume)
    await refused.result()
    await other.result()
    assert kie.ledger.billed == 2


async def test_too_many_requests_and_maintenance_are_waited_for(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("createTask", [{"http": 429}, {"http": 429}, {"http": 429}], match="corridor 02")
    kie.script("createTask", [{"body_code": 455}], match="corridor 03")
    await studio.make(await studio.request(clips=3))
    assert kie.ledger.billed == 3
    codes = [refusal["code"] for refusal in kie.ledger_json()["refused"]]
    assert sorted(codes) == [429, 429, 429, 455]
    refused = [r for r in kie.ledger_json()["refused"] if r["code"] == 429]
    pauses = [b["virtual"] - a["virtual"] for a, b in itertools.pairwise(refused)]
    assert pauses[0] >= 10
    assert pauses[1] >= 20


async def test_too_many_requests_for_too_long_are_an_answer(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.script("createTask", [{"http": 429}], match="corridor 02", repeat=True)
    progress = await stopped(studio)
    assert progress.clips[1].note.startswith("Rate limit exhausted")
    assert (kie.ledger.billed, len(kie.ledger.refused)) == (1, 4)


async def unknown_and_resumed(studio: StudioAtWork, kie: KieSimulator, faults: Sequence[object]) -> None:
    """All clips but the first are unknown, also after the video was resumed. No more than the gate has places."""
    from_second_clip(kie, faults)
    handle = await studio.start(await studio.request(clips=1 + len(faults)))
    progress = await studio.waiting(handle)
    assert [str(clip.status) for clip in progress.clips] == ["done", *["paid? unknown"] * len(faults)]
    await handle.signal(VideoWorkflow.resume)
    progress = await eventually(
        lambda: studio.waiting(handle), lambda seen: all(clip.tries == 2 for clip in seen.clips[1:])
    )
    assert [clip.status for clip in progress.clips[1:]] == [ClipStatus.UNKNOWN] * len(faults)
    rows = await studio.rows("select state from submissions where number > 1")
    assert [row["state"] for row in rows] == ["unknown"] * len(faults)


async def test_an_unclear_answer_is_not_sent_again_by_anybody(studio: StudioAtWork, kie: KieSimulator) -> None:
    await unknown_and_resumed(studio, kie, UNCLEAR)
    assert kie.ledger.accepted == 1


async def test_an_order_whose_answer_gets_lost_is_paid_once_and_shown_as_unknown(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    await unknown_and_resumed(studio, kie, LOST)
    assert kie.ledger.accepted == kie.ledger.billed == 1 + len(LOST)


async def test_a_provider_that_is_not_there_is_waited_for(studio: StudioAtWork, kie: KieSimulator) -> None:
    await kie.refuse_connections("api")
    handle = await studio.start(await studio.request(clips=1))
    await eventually(handle.describe, in_vain_twice)
    await kie.accept_connections("api")
    await handle.result()
    assert kie.ledger.billed == 1


def in_vain_twice(video: WorkflowExecutionDescription) -> bool:
    """Something was tried, failed, and is tried again."""
    return any(pending.attempt > 1 for pending in video.raw_description.pending_activities)


LOOKS: list[object] = [
    {"http": 500},
    {"body_code": 500},
    {"http": 429},
    {"body_code": 455},
    {"html": 502},
    "reset_before",
    "invalid_json",
]
"""What can go wrong when KIE.ai is asked how a task stands."""


async def test_no_look_that_fails_and_no_answer_that_a_task_is_not_there_fails_the_clip(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """At first the task is not shown yet; later every look fails twice.

    Long after the ninety seconds in which a new task may be missing it is said three times that there is none.
    """
    kie.configure(duration=(900, 900), grace=20)
    failing = [look for fault in LOOKS for look in (fault, fault, "ok")]
    missing = [{"body_code": 422}, "ok", {"body_code": 404}, {"http": 404}]
    kie.script("recordInfo", ["ok", "ok", *failing, *missing])
    result = await studio.make(await studio.request(clips=1, clip_deadline_seconds=1_800))
    assert str(result.total_cost_usd) == "0.210000"
    assert kie.ledger.accepted == kie.ledger.billed == 1
    assert [rule["spent"] for rule in kie.rules()] == [True]


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


FAILURES = {"content_policy": "ContentRefused", "internal": "GenerationFailed", "timeout": "GenerationFailed"}


async def test_a_task_that_fails_says_why_and_costs_what_was_billed(studio: StudioAtWork, kie: KieSimulator) -> None:
    for number, why in enumerate(FAILURES, start=2):
        kie.order(match=f"corridor {number:02d}", fail=why, bill_failed=True, count=1)
    progress = await stopped(studio, clips=1 + len(FAILURES))
    clips = await studio.rows("select error_type from clips where number > 1 order by number")
    orders = await studio.rows("select verdict, billed_usd::text from submissions where number > 1 order by number")
    for clip, row, order, (why, kind) in zip(progress.clips[1:], clips, orders, FAILURES.items(), strict=True):
        assert clip.note.startswith("Kling could not make the clip: "), why
        assert row["error_type"] == kind, why
        assert order == {"verdict": "failed", "billed_usd": "0.210000"}, why


async def test_a_price_of_another_class_closes_the_gate(studio: StudioAtWork, kie: KieSimulator) -> None:
    """The vendor's page for the cheap model carries the id of a model that costs four times as much."""
    kie.order(match="corridor 01", credits=160)
    result = await studio.make(await studio.request(clips=1))
    assert str(result.total_cost_usd) == "0.800000"
    state = await studio.gate_state()
    assert state.closed is not None
    assert "billed 0.800000 USD for a clip of 0.210000 USD" in state.closed
