"""Takes that are there already: a video uses them instead of having its clips made."""

import asyncio

import structlog
from temporalio import activity

from activities._heartbeat import beating
from studio.contracts.clip import ClipId, ClipOutcome, ClipStatus
from studio.contracts.take import LostTakes, Take, TakesToUse, TakesUsed
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.store.takes import TakeStore
from studio.store.videos import VideoStore

_log = structlog.get_logger()

COPIES_AT_ONCE = 8


class TakeActivities:
    """Finds takes. Nothing is made or paid here."""

    def __init__(self, objects: ObjectStore, takes: TakeStore, videos: VideoStore) -> None:
        self._objects = objects
        self._takes = takes
        self._videos = videos

    @activity.defn
    async def use_takes(self, wanted: TakesToUse) -> TakesUsed:
        """Give those clips their takes whose takes are there, every byte of them.

        A take whose file is lost or damaged is taken from the video's own copy, if that is whole. Otherwise it is not
        there: its clip is made again, which for a clip that was paid for begins with a download from its order.
        """
        async with beating():
            there = await self._takes.finished(wanted.channel, wanted.takes.values())
            keys.ensure_of_channel(wanted.channel, there.values())
            turns = asyncio.Semaphore(COPIES_AT_ONCE)

            async def use(number: int, take: Take) -> ClipOutcome | None:
                async with turns:
                    clip = ClipId(channel=wanted.channel, video_id=wanted.video_id, number=number)
                    return await self._use(clip, take)

            uses = [use(number, there[take]) for number, take in wanted.takes.items() if take in there]
            outcomes = [outcome for outcome in await asyncio.gather(*uses) if outcome is not None]
            await self._videos.record_clips(wanted.channel, wanted.video_id, outcomes, wanted.revision)
        _log.info("takes.used", clips=len(wanted.takes), used=len(outcomes))
        return TakesUsed(outcomes=outcomes)

    @activity.defn
    async def find_lost_takes(self, used: TakesToUse) -> LostTakes:
        """Those clips whose takes' files are not what they were. Such a take is not there any more: it is made again,
        which for a clip that was paid for begins with a download from its order."""
        async with beating():
            there = await self._takes.finished(used.channel, used.takes.values())
            keys.ensure_of_channel(used.channel, there.values())
            lost = []
            for number, digest in used.takes.items():
                clip = ClipId(channel=used.channel, video_id=used.video_id, number=number)
                if digest not in there or not await self._is_whole(clip, there[digest]):
                    lost.append(number)
        return LostTakes(numbers=lost)

    async def _use(self, clip: ClipId, take: Take) -> ClipOutcome | None:
        if not await self._is_whole(clip, take):
            return None
        await self._objects.copy(take.file.media.key, keys.clip_key(clip))
        return ClipOutcome(
            number=clip.number,
            status=ClipStatus.DONE,
            take=take.take,
            reused=True,
            recorded=True,
            file=take.file,
            task_id=take.task_id,
        )

    async def _is_whole(self, clip: ClipId, take: Take) -> bool:
        """Whether the take's file is what it was, or is again, taken from the video's own copy."""
        media, place = take.file.media, keys.clip_key(clip)
        if await self._objects.is_intact(media):
            return True
        await self._put_aside(clip.channel, take)
        if not await self._objects.is_intact(media.model_copy(update={"key": place})):
            await self._takes.forget(clip.channel, take.take, take.file)
            return False
        await self._objects.copy(place, media.key, new=True)
        _log.warning("take.restored", take=take.take, key=media.key)
        return True

    async def _put_aside(self, channel: str, take: Take) -> None:
        """Make room for the take's own bytes; what lies there stays for a person to look at."""
        media = take.file.media
        damaged = await self._objects.refer(media.key, media.mime)
        _log.warning("take.file_lost", take=take.take, key=media.key, damaged=damaged is not None)
        if damaged is not None:
            await self._objects.copy(media.key, keys.damaged_key(channel, take.take, damaged.sha256))
            await self._objects.delete(media.key)
