"""A callback brings the next look forward, and is not believed."""

from simulators.kie import KieSimulator
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipStatus
from studio.contracts.film import VideoProgress
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.policies import WAKES
from workflows_temporal.video import VideoWorkflow


async def rendering(studio: StudioAtWork) -> tuple[Handle, CalledBack]:
    """A film of one clip that is with the provider, and what the provider would tell of it."""
    handle = await studio.start(await studio.request(clips=1))

    def with_the_provider(progress: VideoProgress) -> bool:
        return progress.clips[0].status is ClipStatus.RENDERING

    await eventually(lambda: handle.query(VideoWorkflow.progress), with_the_provider)
    (row,) = await studio.rows("select id, task_id from submissions")
    return handle, CalledBack(submission_id=row["id"], number=1, task_id=row["task_id"])


async def test_a_callback_ends_the_wait_at_once(rarely_looking: StudioAtWork, kie: KieSimulator) -> None:
    """The next look would be half a minute away."""
    kie.configure(duration=(3_000, 3_000))
    handle, told = await rendering(rarely_looking)
    kie.advance(3_000)
    await handle.signal(VideoWorkflow.called_back, told)
    await handle.result()
    assert kie.ledger.polls == 2


async def test_a_callback_that_comes_twice_costs_a_look(rarely_looking: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(3_000, 3_000))
    handle, told = await rendering(rarely_looking)
    kie.advance(3_000)
    for _ in range(2):
        await handle.signal(VideoWorkflow.called_back, told)
    await handle.result()
    assert kie.ledger.accepted == 1
    assert kie.ledger.polls <= 3


async def test_a_flood_of_forged_callbacks_costs_a_few_looks(rarely_looking: StudioAtWork, kie: KieSimulator) -> None:
    kie.configure(duration=(3_000, 3_000))
    handle, told = await rendering(rarely_looking)
    for seen in range(1, 10):
        await handle.signal(VideoWorkflow.called_back, told)
        await eventually(lambda: polls(kie), lambda count, seen=seen: count >= min(1 + seen, 1 + WAKES))  # type: ignore[misc]
    assert kie.ledger.polls == 1 + WAKES
    await handle.cancel()


async def polls(kie: KieSimulator) -> int:
    return kie.ledger.polls


async def test_our_id_and_the_film_ride_in_the_order(rarely_looking: StudioAtWork, kie: KieSimulator) -> None:
    handle, told = await rendering(rarely_looking)
    (task,) = kie.ledger.tasks
    assert (
        task.call_back_url == f"http://127.0.0.1:9/callbacks/kie/{told.submission_id}?channel=poke1&film=vid_1&clip=1"
    )
    kie.advance(3_000)
    await handle.signal(VideoWorkflow.called_back, told)
    await handle.result()
