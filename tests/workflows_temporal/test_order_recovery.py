"""Orders whose video is gone: the ledger knows them, and their clips become takes without anybody's help."""

from datetime import timedelta
from typing import Any

from simulators.kie import KieSimulator
from studio.contracts.clip import ClipStatus
from studio.contracts.take import LateOrder
from studio.store.unresolved import UnresolvedOrders
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.addresses import TaskQueue, late_workflow_id
from workflows_temporal.late import LateClipWorkflow
from workflows_temporal.video import VideoWorkflow

FILES = "select task_id from takes where file is not null order by task_id"


async def time_passes(studio: StudioAtWork) -> None:
    """No video has looked at any order for an hour, by PostgreSQL's clock."""
    await studio.rows(
        """update submissions set looked_at = coalesce(looked_at, updated_at) - interval '1 hour',
                                  watched_at = watched_at - interval '1 hour' returning id"""
    )


async def accepted(studio: StudioAtWork, count: int) -> list[dict[str, Any]]:
    return await eventually(
        lambda: studio.rows("select id from submissions where state = 'accepted'"), lambda rows: len(rows) == count
    )


async def test_the_orders_of_a_video_that_was_terminated_become_takes_without_gate_or_video(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """Not the newest of a clip only: an order that was given up for another take of the same clip comes, too."""
    kie.configure(duration=(500, 500))
    handle = await studio.start(await studio.request(clips=1))
    await accepted(studio, 1)
    await handle.terminate()
    again = await studio.start(await studio.request(clips=1))  # other stills: other takes of the same clips
    await accepted(studio, 2)
    await again.terminate()
    await studio.gate.terminate()
    orders = UnresolvedOrders(studio.database)
    assert len(await orders.orphaned(unwatched=timedelta(0))) == 2
    await time_passes(studio)
    kie.advance(500)
    await eventually(lambda: studio.rows(FILES), lambda files: len(files) == 2)
    assert await orders.orphaned(unwatched=timedelta(0)) == []
    bills = await studio.rows("select verdict, billed_usd::text from submissions")
    assert bills == [{"verdict": "delivered", "billed_usd": "0.210000"}] * 2
    assert kie.ledger.accepted == 2


async def test_an_unknown_order_whose_task_is_known_is_found_and_its_video_goes_on_by_itself(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    """The provider had lost sight of it for long, and shows it again."""
    kie.order(match="corridor 01", grace=100_000, count=1)
    handle = await studio.start(await studio.request(clips=1))
    progress = await studio.waiting(handle)
    assert progress.clips[0].status is ClipStatus.UNKNOWN
    kie.advance(200_000)
    await time_passes(studio)
    result = await handle.result()
    assert kie.ledger.accepted == 1
    assert str(result.total_cost_usd) == "0.210000"
    assert (await handle.query(VideoWorkflow.progress)).done == 1


async def test_an_order_that_its_video_watches_is_left_to_it(studio: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(500, 500))
    handle = await studio.start(await studio.request(clips=1))
    (order,) = await accepted(studio, 1)
    unwatched = "select 1 from submissions where watched_at is null or watched_at < now() - interval '10 minutes'"
    await eventually(lambda: studio.rows(unwatched), lambda rows: not rows)
    late = LateOrder(submission_id=order["id"], recovered=True)
    assert not await studio.temporal.execute_workflow(
        LateClipWorkflow.run, late, id=late_workflow_id(order["id"]), task_queue=TaskQueue.STUDIO
    )
    kie.advance(500)
    await handle.result()
    assert kie.ledger.accepted == 1
