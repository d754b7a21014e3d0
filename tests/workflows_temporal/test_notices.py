"""Telling Notion how a video stands: in order, soon, never too often, and never at the video's expense."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker

from activities._failures import Failures
from composition import Tools, serve_studio
from simulators.kie import KieSimulator
from simulators.notion import NotionSimulator
from simulators.notion_pages import select_property, status_property
from studio.contracts.notice import StatusNotice
from studio.contracts.video import Provider, VideoStatus
from studio.logs import hider
from tests.studio_at_work import HANG_GUARD, Handle, StudioAtWork, eventually, make_studio
from worker import working
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.connection import connect
from workflows_temporal.notice import NoticeWorkflow
from workflows_temporal.video import VideoWorkflow

SOON = 60.0
"""Seconds within which a page shows how its video stands, on a machine that has much else to do: else it is 5."""


@pytest.fixture
async def notion() -> AsyncIterator[NotionSimulator]:
    async with NotionSimulator() as simulator:
        yield simulator
        assert simulator.state()["problems"] == []


@pytest.fixture
async def studio(
    temporal: Client, database_url: str, kie: KieSimulator, notion: NotionSimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """A studio that tells Notion."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(
            temporal, database_url, kie, tmp_path, stack, notion_token="sim-token", notion_api_url=notion.api_url
        )
        await at_work.open()
        yield at_work


async def shown(notion: NotionSimulator, page: str, *words: str, name: str = "Status") -> None:
    """Wait until the page has been told these words, in this order, and no others."""

    async def look() -> list[str]:
        return [change.value for change in notion.history(page, name)]

    await eventually(look, lambda seen: seen == list(words), seconds=20)


async def delivering(studio: StudioAtWork) -> bool:
    """The older status was given up: its delivery is over, and the newest one's goes on."""
    seen = await studio.temporal.get_workflow_handle("notice/poke1/vid_1").describe()
    (pending,) = seen.raw_description.pending_activities or [None]
    return pending is not None and int(pending.activity_id) > 1


async def changes(handle: Handle) -> list[tuple[str, float]]:
    """When the video's status changed, and to which, by its history."""
    found = []
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
            fields = event.upsert_workflow_search_attributes_event_attributes.search_attributes.indexed_fields
            word = str(json.loads(fields["VideoStatus"].data))
            found.append((word, event.event_time.ToNanoseconds() / 1e9))
    return found


async def test_the_page_follows_the_video_through_failure_and_resume(
    studio: StudioAtWork, kie: KieSimulator, notion: NotionSimulator
) -> None:
    page = notion.add_page()
    kie.order(match="corridor 01", fail="internal", count=1)
    handle = await studio.start(await studio.request(clips=1, notion_page=page))
    await studio.waiting(handle)
    await shown(notion, page, "Processing", "Video Error")
    await handle.signal(VideoWorkflow.resume)
    await handle.result()
    await shown(notion, page, "Processing", "Video Error", "Processing", "Video Ready")
    for (status, moment), told in zip(await changes(handle), notion.history(page, "Status"), strict=True):
        assert told.value == status.replace("_", " ").title()
        assert 0 <= told.wall - moment < SOON
    (video,) = await studio.rows("select status from videos")
    assert video["status"].replace("_", " ").title() == notion.value(page, "Status")


async def test_a_select_of_any_name_may_show_the_status(
    temporal: Client, database_url: str, kie: KieSimulator, notion: NotionSimulator, tmp_path: Path
) -> None:
    """A select learns words it does not know, such as that of a video that was called off."""
    page = notion.add_page(properties={"Phase": select_property(), "Status": status_property("Video Ready")})
    how = {"notion_property": "Phase", "notion_property_kind": "select"}
    told = {"notion_token": "sim-token", "notion_api_url": notion.api_url}
    async with AsyncExitStack() as stack:
        studio = make_studio(temporal, database_url, kie, tmp_path, stack, **told, **how)
        await studio.open()
        kie.configure(duration=(400, 400))
        handle = await studio.start(await studio.request(clips=1, notion_page=page))
        await studio.waiting(handle, VideoStatus.PROCESSING)
        await handle.cancel()
        await shown(notion, page, "Processing", "Cancelled", name="Phase")
    assert notion.history(page, "Status") == []


async def test_videos_of_one_name_have_a_page_each_and_one_without_a_page_tells_nobody(
    studio: StudioAtWork, notion: NotionSimulator
) -> None:
    pages = {"poke1": notion.add_page(), "poke2": notion.add_page(), "poke3": None}
    requests = [
        await studio.request(clips=1, channel=channel, notion_page=page, provider=Provider.ANIMATIC)
        for channel, page in pages.items()
    ]
    await asyncio.gather(*(studio.make(request) for request in requests))
    for channel, page in pages.items():
        if page is not None:
            await shown(notion, page, "Processing", "Video Ready")
            await ended(studio, f"notice/{channel}/vid_1")
    assert not await exists(studio, "notice/poke3/vid_1")
    assert (notion.counters()["patches"], notion.refusals) == (4, [])


# ── at Notion's expense ──────────────────────────────────────────────────


def word(page: str, number: int, status: VideoStatus, *, revision: int) -> StatusNotice:
    return StatusNotice(page=page, status=status, channel="poke1", video_id=f"vid_{number}", revision=revision)


async def post(studio: StudioAtWork, notion: NotionSimulator, number: int, *, revision: int = 1) -> str:
    """Have a page of its own told one word."""
    page = notion.add_page()
    await studio.temporal.start_workflow(
        NoticeWorkflow.run,
        id=f"notice/poke1/vid_{number}",
        task_queue=TaskQueue.STUDIO,
        start_signal="post",
        start_signal_args=[word(page, number, VideoStatus.VIDEO_READY, revision=revision)],
    )
    return page


async def rush(studio: StudioAtWork, notion: NotionSimulator, pages: int) -> list[float]:
    """Have so many pages told at once, by two workers; returns when each was."""
    other = await connect(studio.settings.temporal_address, namespace=studio.temporal.namespace)
    async with working(studio.settings, [TaskQueue.NOTICES], other):
        made = [await post(studio, notion, number) for number in range(pages)]
        for page in made:
            await shown(notion, page, "Video Ready")
    assert notion.counters()["patches"] == pages
    return sorted(change.wall for page in made for change in notion.history(page, "Status"))


async def test_two_workers_together_never_send_more_than_three_requests_in_any_second(
    studio: StudioAtWork, notion: NotionSimulator
) -> None:
    """Each worker by itself would send as many; the queue alone would let a burst pass after a quiet time."""
    walls = await rush(studio, notion, 12)
    travel = 1.5  # the first may be on its way for so much longer than the last, on a machine that is busy
    assert walls[-1] - walls[0] >= (12 - 1) / 3 - travel
    assert max(sum(first <= wall < first + 1 for wall in walls) for first in walls) <= 3 * (1 + travel) + 1
    assert notion.refusals == []


async def test_a_wait_that_notion_asks_for_is_obeyed(studio: StudioAtWork, notion: NotionSimulator) -> None:
    notion.script("patchPage", [{"http": 429, "headers": {"Retry-After": "2"}}])
    page = await post(studio, notion, 1)
    await shown(notion, page, "Video Ready")
    (refusal,) = notion.refusals
    (change,) = notion.history(page, "Status")
    assert 2 <= change.wall - refusal.wall < 2 + SOON


# ── never at the video's expense ──────────────────────────────────────────


async def test_a_notion_that_is_down_holds_no_video_up_and_hears_only_the_newest_word(
    studio: StudioAtWork, notion: NotionSimulator
) -> None:
    page = notion.add_page()
    await notion.refuse_connections("api")
    handle = await studio.start(await studio.request(clips=1, notion_page=page))
    await asyncio.wait_for(handle.result(), HANG_GUARD)
    assert notion.history(page, "Status") == []
    await eventually(lambda: delivering(studio), lambda newest: newest)
    await notion.accept_connections("api")
    await shown(notion, page, "Video Ready")
    await ended(studio, "notice/poke1/vid_1")


async def test_an_older_word_that_comes_late_is_dropped(studio: StudioAtWork, notion: NotionSimulator) -> None:
    await notion.refuse_connections("api")
    page = await post(studio, notion, 1, revision=2)
    notice = studio.temporal.get_workflow_handle("notice/poke1/vid_1")
    await notice.signal(NoticeWorkflow.post, word(page, 1, VideoStatus.PROCESSING, revision=1))
    await notion.accept_connections("api")
    await notice.result()
    await shown(notion, page, "Video Ready")


async def test_a_notion_that_never_answers_holds_no_video_up_and_no_later_word(
    studio: StudioAtWork, notion: NotionSimulator
) -> None:
    page = notion.add_page()
    notion.script("patchPage", ["hang"])
    handle = await studio.start(await studio.request(clips=1, notion_page=page))
    await asyncio.wait_for(handle.result(), HANG_GUARD)
    finished = (await changes(handle))[-1][1]
    await shown(notion, page, "Video Ready")
    assert notion.history(page, "Status")[0].wall - finished < SOON


async def test_a_notion_that_refuses_is_not_asked_again_and_fails_no_video(
    studio: StudioAtWork, notion: NotionSimulator
) -> None:
    pages = {str(status): notion.add_page() for status in (400, 401, 404)}
    for status, page in pages.items():
        notion.script("patchPage", [{"http": int(status)}], repeat=True, match=page)
    videos = [
        await studio.request(clips=1, channel=status, notion_page=page, provider=Provider.ANIMATIC)
        for status, page in pages.items()
    ]
    await asyncio.gather(*(studio.make(video) for video in videos))
    for status, page in pages.items():
        await ended(studio, f"notice/{status}/vid_1")
        assert notion.history(page, "Status") == []
    told = sorted((refusal.route, str(refusal.code)) for refusal in notion.refusals)
    assert told == [("patchPage", status) for status in pages for _ in range(2)]


async def ended(studio: StudioAtWork, workflow_id: str) -> None:
    """Wait until this workflow has nothing more to do."""
    await asyncio.wait_for(studio.temporal.get_workflow_handle(workflow_id).result(), HANG_GUARD)


async def exists(studio: StudioAtWork, workflow_id: str) -> bool:
    try:
        await studio.temporal.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        assert error.status is RPCStatusCode.NOT_FOUND
        return False
    return True


async def test_without_a_token_nothing_is_sent_and_nothing_waits(
    temporal: Client, database_url: str, kie: KieSimulator, notion: NotionSimulator, tmp_path: Path
) -> None:
    page = notion.add_page()
    async with AsyncExitStack() as stack:
        studio = make_studio(temporal, database_url, kie, tmp_path, stack, notion_api_url=notion.api_url)
        await studio.open()
        handle = await studio.start(await studio.request(clips=1, notion_page=page, provider=Provider.ANIMATIC))
        await handle.result()
        assert not await exists(studio, "notice/poke1/vid_1")
    assert notion.counters() == {"reads": 0, "patches": 0}
    assert notion.refusals == []


async def test_a_notice_that_cannot_be_handed_over_fails_no_video(
    studio: StudioAtWork, notion: NotionSimulator, temporal: Client
) -> None:
    """The workers' own client is refused when it starts the `NoticeWorkflow`."""
    await studio.close()
    async with AsyncExitStack() as stack:
        elsewhere = await connect(studio.settings.temporal_address, namespace="nowhere")
        serving = await serve_studio(Tools(studio.settings, elsewhere, studio.database, studio.objects, stack))
        worker = Worker(
            temporal,
            task_queue=TaskQueue.STUDIO,
            workflows=serving.workflows,
            activities=serving.activities,
            interceptors=[Failures(hider(()))],
        )
        await stack.enter_async_context(worker)
        await stack.enter_async_context(working(studio.settings, [TaskQueue.MEDIA], temporal))
        request = await studio.request(clips=1, notion_page=notion.add_page(), provider=Provider.ANIMATIC)
        assert (await studio.make(request)).video.size > 0
