"""Processes that die: workers, the Temporal server, PostgreSQL. Real kills, real processes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from local.stack import Stack, StackOptions, running_stack
from studio.contracts.clip import ClipStatus
from studio.store.pool import open_database
from studio.store.unresolved import UnresolvedOrders
from tests.end_to_end.videos import Videos, videos_of
from tests.studio_at_work import eventually
from workflows_temporal.video import VideoWorkflow

CLIPS = 3
"""What a video has that is with the provider as a whole when something dies."""
MANY = 6
"""What a video has that is hit anywhere."""
LONGEST_RECOVERY = 120
"""Seconds: an order is left alone for 15 s after its last look, then its clip has to finish and travel."""


@pytest.fixture(scope="module")
async def videos(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Videos]:
    """A stack with one worker process, so that a kill leaves nobody."""
    options = StackOptions(
        data=tmp_path_factory.mktemp("crashes"),
        speed=20,
        kie={"clips": "placeholder", "placeholder_size": [192, 108], "duration": [100, 120], "rate_limit": 0},
        settings={"KLING_ORDERS_PER_WINDOW": "0", "KLING_CALLS_PER_SECOND": "0", "KLING_SLOTS": "18"},
        workers={"only": "studio,kling,media"},
        fixed_ports=False,
    )
    async with running_stack(options) as running:
        yield await videos_of(running)


async def kill_worker(stack: Stack) -> None:
    await stack.kill_worker("only")
    await stack.start_worker("only")


async def test_a_worker_killed_while_clips_are_with_the_provider_costs_no_second_order(videos: Videos) -> None:
    handle = await videos.start("waiting", clips=CLIPS)
    await videos.all_with_provider(handle)
    await kill_worker(videos.stack)
    result = await handle.result()
    assert len(await videos.orders("waiting")) == CLIPS
    assert result.summary == f"Skipped 0 existing clips, generated {CLIPS} new clips"


async def test_a_worker_killed_again_and_again_pays_for_every_clip_at_most_once(videos: Videos) -> None:
    """Wherever a kill hits an order, it is either not sent, or accepted, or asked about; never sent twice."""
    handle = await videos.start("again", clips=MANY)
    for pause in (0.35, 0.15, 0.6):
        await asyncio.sleep(pause)
        await kill_worker(videos.stack)
    progress = await videos.settled(handle)
    orders = await videos.orders("again")
    assert len({order["prompt"] for order in orders}) == len(orders)
    unknown = [clip for clip in progress.clips if clip.status is ClipStatus.UNKNOWN]
    assert progress.done + len(unknown) == MANY
    await handle.terminate() if unknown else await handle.result()


async def test_the_temporal_server_killed_under_way_delays_the_video_only(videos: Videos) -> None:
    handle = await videos.start("server", clips=CLIPS)
    await videos.all_with_provider(handle)
    await videos.stack.restart_temporal()
    result = await handle.result()
    assert len(await videos.orders("server")) == CLIPS
    assert len(result.clips) == CLIPS


async def test_postgres_killed_under_way_delays_the_video_only(videos: Videos) -> None:
    handle = await videos.start("database", clips=CLIPS)
    await videos.all_with_provider(handle)
    await videos.stack.restart_postgres()
    result = await handle.result()
    assert len(await videos.orders("database")) == CLIPS
    assert str(result.total_cost_usd) == "0.630000"


async def test_an_order_whose_worker_dies_after_it_was_accepted_is_found_by_its_callback(videos: Videos) -> None:
    """The provider accepts and holds its answer back; the worker dies waiting for it. The callback names our order."""
    await videos.fault({"route": "createTask", "match": "of found", "script": ["hang_after"]})
    handle = await videos.start("found", clips=1, unknown_wait_seconds=600)

    async def accepted() -> int:
        return len(await videos.orders("found"))

    await eventually(accepted, lambda count: count == 1)
    await kill_worker(videos.stack)
    assert (await handle.result()).summary == "Skipped 0 existing clips, generated 1 new clips"
    assert await accepted() == 1


async def test_an_order_whose_worker_dies_after_it_was_accepted_is_asked_about_and_not_repeated(videos: Videos) -> None:
    """Nobody calls back: the video asks, and a person finds the task. It is the clip that was paid."""
    await videos.configure(callbacks={"mode": "never"})
    await videos.fault({"route": "createTask", "match": "of held", "script": ["hang_after"]})
    handle = await videos.start("held", clips=1)

    async def accepted() -> int:
        return len(await videos.orders("held"))

    await eventually(accepted, lambda count: count == 1)
    await kill_worker(videos.stack)
    progress = await videos.settled(handle)
    assert progress.clips[0].status is ClipStatus.UNKNOWN
    await handle.signal(VideoWorkflow.resume)
    await eventually(lambda: handle.query(VideoWorkflow.progress), lambda p: p.clips[0].tries == 2)
    (task,) = await videos.orders("held")
    (lost,) = [order for order in videos.starter("lost", "list") if order["video_id"] == "held"]
    videos.starter("lost", "adopt", lost["submission_id"], task["task_id"], "--why", "kie.ai/logs")
    result = await handle.result()
    assert str(result.total_cost_usd) == "0.210000"
    assert await accepted() == 1


async def test_after_all_these_kills_no_paid_order_is_without_an_owner(videos: Videos) -> None:
    """In a video, in a take, or among the unresolved orders; recovery takes up what a terminated video left."""
    async with open_database(videos.stack.environment["DATABASE_URL"]) as database:
        orders = UnresolvedOrders(database)
        left = await eventually(
            lambda: orders.orphaned(unwatched=timedelta(0)), lambda found: not found, seconds=LONGEST_RECOVERY
        )
    assert left == []
