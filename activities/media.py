"""What is made from finished clips: the video and its contact sheet."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._scratch import scratch
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId
from studio.contracts.video import JoinedVideo, VideoToJoin
from studio.errors import MediaChanged, MediaMissing
from studio.media.concat import join
from studio.media.sheet import contact_sheet
from studio.objects import keys
from studio.objects.store import ObjectStore

_log = structlog.get_logger()


class MediaActivities:
    """Work on files, on the queue `media`, whose slots are this machine's cores."""

    def __init__(self, objects: ObjectStore, *, work_dir: Path) -> None:
        self._objects = objects
        self._work_dir = work_dir

    @activity.defn
    async def join_clips(self, video: VideoToJoin) -> JoinedVideo:
        """Join the clips by stream copy; only clips that differ from the others are encoded.

        Raises:
            InvalidRequest: a clip is another channel's.
            MediaMissing, MediaChanged: a clip is not in the store as it was, neither as a take nor at its place.
        """
        keys.ensure_of_channel(video.channel, video)
        async with beating():
            with scratch(self._work_dir) as folder:
                target = folder / "video.mp4"
                joined = await join(await self._fetch(video, folder), target, title=video.title or "")
                media = await self._objects.put(target, keys.video_key(video.channel, video.video_id), "video/mp4")
        video_joined = JoinedVideo(
            media=media,
            seconds=joined.info.seconds,
            frames=joined.info.frames,
            conformed=_numbers(joined.conformed),
            silenced=_numbers(joined.silenced),
            tone_mapped=_numbers(joined.tone_mapped),
        )
        _log.info("video.joined", key=media.key, seconds=joined.info.seconds, notes=video_joined.notes())
        return video_joined

    @activity.defn
    async def make_contact_sheet(self, video: VideoToJoin) -> MediaRef:
        """One picture of every clip, side by side. Raises as `join_clips` does."""
        keys.ensure_of_channel(video.channel, video)
        async with beating():
            with scratch(self._work_dir) as folder:
                target = folder / "sheet.png"
                pictures = await self._fetch_pictures(video, folder)
                title = " - ".join(part for part in (video.title, f"{video.channel} / {video.video_id}") if part)
                labels = video.labels if len(video.labels) == len(pictures) else None
                await asyncio.to_thread(contact_sheet, pictures, target, title=title, labels=labels)
                return await self._objects.put(target, keys.sheet_key(video.channel, video.video_id), "image/png")

    async def _fetch(self, video: VideoToJoin, folder: Path) -> list[Path]:
        return [await self._clip(video, place, folder) for place in range(1, len(video.clips) + 1)]

    async def _fetch_pictures(self, video: VideoToJoin, folder: Path) -> list[Path]:
        """The small picture of each clip, or the clip itself where there is none."""
        return [
            await self._objects.fetch(clip.picture, folder / f"clip_{place:03d}.jpg")
            if clip.picture and await self._objects.is_intact(clip.picture)
            else await self._clip(video, place, folder)
            for place, clip in enumerate(video.clips, start=1)
        ]

    async def _clip(self, video: VideoToJoin, place: int, folder: Path) -> Path:
        """The take; or the video's own copy of it, when that is what is still whole."""
        media, target = video.clips[place - 1].media, folder / f"clip_{place:03d}.mp4"
        try:
            return await self._objects.fetch(media, target)
        except (MediaMissing, MediaChanged) as lost:
            own = keys.clip_key(ClipId(channel=video.channel, video_id=video.video_id, number=place))
            copy = media.model_copy(update={"key": own})
            if not await self._objects.is_intact(copy):
                raise type(lost)(f"clip {place}: {lost}") from None
            _log.warning("take.read_from_copy", key=media.key, copy=own)
            return await self._objects.fetch(copy, target)


def _numbers(places: Iterable[int]) -> list[int]:
    return [place + 1 for place in places]
