"""A budget stops: before the order that would pass it, whoever else spends at the same time."""

from decimal import Decimal

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoStatus
from studio.store.budgets import BudgetStore
from tests.studio_at_work import StudioAtWork
from workflows_temporal.video import VideoWorkflow


async def test_a_video_stops_at_its_budget_and_goes_on_when_it_is_raised(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    handle = await studio.start(await studio.request(clips=3, budget_usd="0.50"))
    progress = await studio.waiting(handle, VideoStatus.BUDGET_REACHED)
    assert kie.ledger.accepted == 2
    assert sorted(clip.status for clip in progress.clips) == [ClipStatus.HELD] + [ClipStatus.DONE] * 2
    reached = "The budget video/poke1/vid_1 is reached: 0.42 of 0.50 USD are spent, this clip costs 0.21"
    assert reached in progress.message
    await handle.signal(VideoWorkflow.resume)  # without more money it buys nothing
    await studio.waiting(handle, VideoStatus.PROCESSING)
    await studio.waiting(handle, VideoStatus.BUDGET_REACHED)
    assert kie.ledger.accepted == 2
    assert (await studio.gate_state()).closed is None
    await BudgetStore(studio.database).set("video/poke1/vid_1", Decimal("0.63"))
    await handle.signal(VideoWorkflow.resume)
    result = await handle.result()
    assert str(result.total_cost_usd) == "0.630000"
    assert kie.ledger.accepted == 3


async def test_a_channels_day_stops_its_videos_and_nobody_elses(studio: StudioAtWork, kie: KieSimulator) -> None:
    await BudgetStore(studio.database).set("day/poke1", Decimal("0.21"))
    held = await studio.start(await studio.request("vid_1", clips=2))
    free = await studio.start(await studio.request("vid_1", clips=2, channel="poke2"))
    await free.result()
    progress = await studio.waiting(held, VideoStatus.BUDGET_REACHED)
    assert progress.done == 1
    assert {spent.channel: str(spent.spent_usd) for spent in await BudgetStore(studio.database).today()} == {
        "poke1": "0.210000",
        "poke2": "0.420000",
    }


async def test_a_failed_clip_and_a_budget_are_two_reasons(studio: StudioAtWork, kie: KieSimulator) -> None:
    """Only where nothing has failed does a video say that money is all it lacks."""
    kie.configure(duration=(150, 150))
    kie.order(match="corridor", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=2, budget_usd="0.21"))
    progress = await studio.waiting(handle)
    assert sorted(clip.status for clip in progress.clips) == [ClipStatus.HELD, ClipStatus.FAILED]
    assert kie.ledger.accepted == 1
