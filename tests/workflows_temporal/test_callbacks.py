"""A callback brings the next look forward, and is not believed."""

import pytest

from activities.desk import DeskActivities
from simulators.kie import KieSimulator
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoProgress, VideoRequest, VideoStatus
from studio.providers.kie import open_kie
from tests.conftest import NOBODY
from tests.studio_at_work import Handle, StudioAtWork, eventually
from workflows_temporal.policies import WAKES
from workflows_temporal.video import VideoWorkflow


async def rendering(studio: StudioAtWork) -> tuple[Handle, CalledBack]:
    """A video of one clip that is with the provider, and what the provider would tell of it."""
    handle = await studio.start(await studio.request(clips=1))

    def with_the_provider(progress: VideoProgress) -> bool:
        return progress.clips[0].status is ClipStatus.RENDERING

    await eventually(lambda: handle.query(VideoWorkflow.progress), with_the_provider)
    (row,) = await studio.rows("select id, task_id from submissions")
    return handle, CalledBack(submission_id=row["id"], number=1, task_id=row["task_id"])


async def test_a_callback_ends_the_wait_at_once(rarely_looking: StudioAtWork, kie: KieSimulator) -> None:
    """The next look would be half a minute away. Our id and the video are in the address."""
    kie.configure(duration=(3_000, 3_000))
    handle, told = await rendering(rarely_looking)
    (task,) = kie.ledger.tasks
    query = "channel=poke1&video=vid_1&clip=1"
    assert task.call_back_url == f"{NOBODY}/callbacks/kie/{told.submission_id}?{query}"
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


async def test_a_forged_callback_about_a_clip_does_not_hide_the_one_that_finds_its_lost_order(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator
) -> None:
    """Both, and one about another order of the clip, arrive while no worker runs: the video takes them up at once."""
    studio = studio_with_callbacks
    kie.script("createTask", ["accept_then_reset"])
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    (order,) = await studio.rows("select id from submissions where state = 'unknown'")
    (task,) = kie.ledger.tasks
    await studio.close()
    for submission_id, task_id in ((order["id"], "forged"), ("another", task.task_id), (order["id"], task.task_id)):
        told = CalledBack(submission_id=submission_id, number=1, task_id=task_id)
        await handle.signal(VideoWorkflow.called_back, told)
    await studio.open()
    await handle.result()
    assert (kie.ledger.accepted, kie.ledger.billed) == (1, 1)


@pytest.mark.parametrize("verdict", ["refused", "failed"])
async def test_a_callback_that_proves_that_a_refused_or_failed_order_was_accepted_brings_its_clip(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator, verdict: str
) -> None:
    studio = studio_with_callbacks
    if verdict == "refused":
        kie.script("createTask", [{"body_code": 422}])
    else:
        kie.order(match="corridor 01", fail="internal", count=1)
    request = await studio.request(clips=1)
    handle = await studio.start(request)
    await studio.waiting(handle)
    (order,) = await studio.rows("select id from submissions")
    task = await accepted_under(order["id"], request, studio)
    await handle.signal(VideoWorkflow.called_back, CalledBack(submission_id=order["id"], number=1, task_id=task))
    result = await handle.result()
    assert result.clips[0].task_id == task
    assert await studio.rows("select task_id, verdict from submissions") == [{"task_id": task, "verdict": "delivered"}]
    assert kie.ledger.billed == 1


async def test_a_callback_about_a_task_that_is_known_to_have_failed_buys_nothing(
    studio_with_callbacks: StudioAtWork, kie: KieSimulator
) -> None:
    studio = studio_with_callbacks
    kie.order(match="corridor 01", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=1))
    await studio.waiting(handle)
    (order,) = await studio.rows("select id, task_id from submissions")
    told = CalledBack(submission_id=order["id"], number=1, task_id=order["task_id"])
    await handle.signal(VideoWorkflow.called_back, told)
    await eventually(lambda: looked_into(handle), lambda count: count == 1)
    assert (await handle.query(VideoWorkflow.progress)).status is VideoStatus.VIDEO_ERROR
    assert kie.ledger.accepted == 1
    assert await studio.rows("select 1 from decisions") == []


async def looked_into(handle: Handle) -> int:
    """How many callbacks the video has looked into, to the end."""
    asked, ended = set(), 0
    async for event in handle.fetch_history_events():
        kind = event.activity_task_scheduled_event_attributes.activity_type.name
        if kind == DeskActivities.decide_order.__name__:
            asked.add(event.event_id)
        ended += event.activity_task_completed_event_attributes.scheduled_event_id in asked
        ended += event.activity_task_failed_event_attributes.scheduled_event_id in asked
    return ended


async def accepted_under(submission_id: str, request: VideoRequest, studio: StudioAtWork) -> str:
    """A task that the provider makes under an order's id, although it has refused the order or failed it."""
    clip, kie = request.clips[0], studio.kie
    async with open_kie(key="sim-key", api_url=kie.api_url, upload_url=kie.upload_url) as client:
        return await client.create_task(
            model=request.model,
            prompt=str(clip.prompt),
            image_url=await client.host(await studio.objects.read(clip.still), name="still.png", mime="image/png"),
            seconds=5,
            callback_url=f"{NOBODY}/callbacks/kie/{submission_id}?channel=poke1&video=vid_1&clip=1",
        )
