"""A plan says what a video would do and cost, and does nothing."""

from decimal import Decimal

import pytest

from commands.plan import make_plan
from commands.repeats import refuse_repeats, repeats_in
from commands.session import Session
from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.plan import ClipPlan, ClipPlanned, VideoPlan
from studio.contracts.video import Provider, VideoRequest
from studio.objects import keys
from studio.store.budgets import BudgetStore
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.video import VideoWorkflow

NEW, REUSED, ORDERED = ClipPlanned.NEW, ClipPlanned.REUSED, ClipPlanned.ORDERED


def with_clip(video: VideoRequest, number: int, **changes: object) -> VideoRequest:
    clips = [clip.model_copy(update=changes) if clip.number == number else clip for clip in video.clips]
    return video.model_copy(update={"clips": clips})


def planned(plan: VideoPlan) -> list[ClipPlanned]:
    return [clip.planned for clip in plan.clips]


async def test_what_is_new_what_is_there_and_what_it_costs_and_nothing_happens(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    request = await studio.request(clips=3)
    await studio.make(request)
    seen = (kie.ledger.counters(), await studio.objects.keys("channels"), await studio.rows("select * from takes"))
    plan = await make_plan(session, with_clip(with_clip(request, 1, prompt="A cat."), 2, seconds=10))
    assert planned(plan) == [NEW, NEW, REUSED]
    assert [clip.cost_usd for clip in plan.clips] == [Decimal("0.21"), Decimal("0.42"), 0]
    assert plan.cost_usd == Decimal("0.63")
    assert {kind: count for kind, count in plan.counts.items() if count} == {NEW: 2, REUSED: 1}
    assert plan.seconds == 150 / 100
    assert seen == (
        kie.ledger.counters(),
        await studio.objects.keys("channels"),
        await studio.rows("select * from takes"),
    )


async def test_what_is_with_the_provider_or_lost_is_not_paid_again(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    kie.script("createTask", ["accept_then_reset"], match="corridor 02")
    kie.order(match="corridor 01", duration=9_000)
    request = await studio.request(clips=3)
    handle = await studio.start(request)
    ends = [ClipStatus.RENDERING, ClipStatus.UNKNOWN, ClipStatus.DONE]
    await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: [c.status for c in p.clips] == ends)
    plan = await make_plan(session, request)
    assert planned(plan) == [ORDERED, ORDERED, REUSED]
    assert [clip.note for clip in plan.clips] == ["accepted", "unknown", ""]
    assert plan.cost_usd == 0
    kie.advance(9_000)
    await studio.waiting(handle)


async def test_a_take_whose_file_is_gone_is_none(studio: StudioAtWork, session: Session) -> None:
    """The provider delivered it: it is fetched once more, not bought."""
    request = await studio.request(clips=2)
    result = await studio.make(request)
    await studio.objects.delete(keys.take_key("poke1", result.clips[0].take or ""))
    assert planned(await make_plan(session, request)) == [ORDERED, REUSED]
    assert planned(await make_plan(session, with_clip(request, 2, take=result.clips[0].take))) == [
        ORDERED,
        ClipPlanned.MISSING,
    ]


async def test_a_clip_that_failed_is_paid_anew_until_its_newest_order_delivers(
    studio: StudioAtWork, session: Session, kie: KieSimulator
) -> None:
    kie.order(match="corridor 01", fail="internal", count=1)
    request = await studio.request(clips=1)
    handle = await studio.start(request)
    await studio.waiting(handle)
    plan = await make_plan(session, request)
    assert planned(plan) == [NEW]
    assert plan.clips[0].note.startswith("tried before: ")
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    await studio.objects.delete(keys.take_key("poke1", result.clips[0].take or ""))
    assert planned(await make_plan(session, request)) == [ORDERED]


async def test_a_still_whose_clip_was_black_is_not_bought_again_without_a_word(
    studio: StudioAtWork, session: Session, kie: KieSimulator, capsys: pytest.CaptureFixture[str]
) -> None:
    kie.configure(placeholder_size=(640, 360))
    kie.order(match="corridor 01", clip="black", count=1)
    kie.order(match="corridor 02", fail="internal", count=1)
    kie.order(match="corridor 03", clip="frozen", count=1)
    request = await studio.request(clips=4, width=640, height=360)
    handle = await studio.start(request)
    await studio.waiting(handle)
    plan = await make_plan(session, request)
    assert [clip.repeats for clip in plan.clips] == [True, False, True, False], "a failure may pass by itself"
    assert [one.partition(" for")[0] for one in await repeats_in(session, request)] == [
        "clip 1: black",
        "clip 3: frozen from 0.0 s to the end",
    ]
    with pytest.raises(SystemExit) as ended:
        await refuse_repeats(session, request, same_stills=False)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    for words in ("clip 1: black for", "clip 3: frozen from", "video edit poke1/vid_1 CLIP --still", "--same-stills"):
        assert words in said
    await refuse_repeats(session, request, same_stills=True)
    changed = with_clip(with_clip(request, 1, prompt="A cat wakes."), 3, still=request.clips[3].still)
    assert await repeats_in(session, changed) == []
    await refuse_repeats(session, changed, same_stills=False)
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    assert await repeats_in(session, request) == [], "what is there is not bought"


async def test_clips_with_the_same_inputs_are_paid_once(studio: StudioAtWork, session: Session) -> None:
    request = await studio.request(clips=3)
    video = with_clip(request, 3, still=request.clips[0].still, prompt=request.clips[0].prompt)
    plan = await make_plan(session, video)
    assert planned(plan) == [NEW, NEW, ClipPlanned.SHARED]
    assert plan.clips[2] == ClipPlan(
        number=3, planned=ClipPlanned.SHARED, take=plan.clips[0].take, cost_usd=Decimal(0), note="the same as clip 1"
    )
    assert plan.cost_usd == Decimal("0.42")


async def test_budgets_that_would_be_passed_are_named(studio: StudioAtWork, session: Session) -> None:
    await studio.make(await studio.request("vid_1", clips=1))
    budgets = BudgetStore(studio.database)
    await budgets.set("day", Decimal("0.62"))
    await budgets.set("day/poke1", Decimal("0.63"))
    await budgets.set("video/poke1/vid_2", Decimal("9"))
    plan = await make_plan(session, await studio.request("vid_2", clips=2, budget_usd="0.41"))
    assert [(budget.scope, budget.passed) for budget in plan.budgets] == [
        ("day", True),
        ("day/poke1", False),
        ("video/poke1/vid_2", True),
    ]


async def test_the_time_it_takes_comes_from_the_gate_as_it_is_now(studio: StudioAtWork, session: Session) -> None:
    request = await studio.request(clips=6)
    for limit, seconds in ((5, 3.0), (2, 4.5), (0, None)):
        await studio.gate.execute_update(GateWorkflow.set_limit, limit)
        assert (await make_plan(session, request)).seconds == seconds, limit


async def test_the_local_renderer_costs_nothing(studio: StudioAtWork, session: Session) -> None:
    request = await studio.request(clips=3, provider=Provider.ANIMATIC)
    plan = await make_plan(session, request)
    assert planned(plan) == [NEW] * 3
    assert plan.cost_usd == 0
    assert plan.seconds == 10


async def test_by_comfyui_it_costs_nothing_and_nobody_knows_how_long_it_takes(
    studio: StudioAtWork, session: Session
) -> None:
    request = await studio.request(clips=2, provider=Provider.COMFYUI, width=256, height=256)
    plan = await make_plan(session, request)
    assert planned(plan) == [NEW] * 2
    assert (plan.cost_usd, plan.seconds) == (Decimal(0), None)
