"""Videos and clips on a real PostgreSQL."""

from decimal import Decimal

import pytest

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipFile, ClipOutcome, ClipRequest, ClipStatus
from studio.contracts.video import VideoRequest, VideoStatus
from studio.store.migrate import migrate
from studio.store.pool import Database
from studio.store.videos import VideoStore

STILL = MediaRef(key="channels/poke1/videos/vid_1/stills/clip_01.png", sha256="0" * 64, mime="image/png")


def video(clips: int = 2, channel: str = "poke1") -> VideoRequest:
    made = [ClipRequest(number=n, still=STILL, prompt="Haunter floats.") for n in range(1, clips + 1)]
    return VideoRequest(channel=channel, video_id="vid_1", clips=made)


def done(number: int) -> ClipOutcome:
    media = MediaRef(key=f"channels/poke1/videos/vid_1/clips/clip_{number:02d}.mp4", sha256="1" * 64, mime="video/mp4")
    file = ClipFile(media=media, width=192, height=108, frames=121, seconds=5.04)
    return ClipOutcome(number=number, status=ClipStatus.DONE, file=file, cost_usd=Decimal("0.21"))


def failed(number: int) -> ClipOutcome:
    return ClipOutcome(number=number, status=ClipStatus.FAILED, error_type="BadClip", error="black")


@pytest.fixture
def videos(database: Database) -> VideoStore:
    return VideoStore(database)


async def test_writing_the_same_again_changes_nothing(videos: VideoStore) -> None:
    for _ in range(3):
        await videos.open(video(), "video/poke1/vid_1", VideoStatus.QUEUED, 1, [])
        await videos.record_clips("poke1", "vid_1", [done(1), failed(2)], 2)
    (row,) = await videos.find()
    assert (row.clip_count, row.clips_done) == (2, 1)


async def test_a_late_older_write_never_replaces_a_newer_one(videos: VideoStore) -> None:
    await videos.open(video(), "w", VideoStatus.QUEUED, 1, [])
    await videos.set_status("poke1", "vid_1", VideoStatus.VIDEO_READY, "", 30)
    await videos.set_status("poke1", "vid_1", VideoStatus.PROCESSING, "late", 20)
    await videos.record_clips("poke1", "vid_1", [done(1)], 30)
    await videos.record_clips("poke1", "vid_1", [failed(1)], 20)
    (row,) = await videos.find()
    assert (row.status, row.message, row.clips_done) == ("video_ready", "", 1)


async def test_two_channels_may_have_a_video_of_the_same_name(videos: VideoStore) -> None:
    await videos.open(video(), "w1", VideoStatus.QUEUED, 1, [])
    await videos.open(video(channel="poke2"), "w2", VideoStatus.VIDEO_ERROR, 1, [])
    await videos.record_clips("poke1", "vid_1", [done(1)], 2)
    by_channel = {row.channel: (row.status, row.clips_done) for row in await videos.find(video_id="vid_1")}
    assert by_channel == {"poke1": ("queued", 1), "poke2": ("video_error", 0)}


async def test_a_video_started_again_begins_with_no_clips(videos: VideoStore) -> None:
    await videos.open(video(3), "w", VideoStatus.QUEUED, 1, [])
    await videos.record_clips("poke1", "vid_1", [done(1), done(2), done(3)], 2)
    await videos.open(video(2), "w", VideoStatus.QUEUED, 10, [])
    (row,) = await videos.find()
    assert (row.clip_count, row.clips_done) == (2, 0)


async def test_migrating_again_does_nothing(database: Database) -> None:
    assert await migrate(database) == []
