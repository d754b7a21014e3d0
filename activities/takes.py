"""Takes that are there already: a film uses them instead of having its clips made."""

import asyncio

import structlog
from temporalio import activity

from activities._heartbeat import beating
from studio.contracts.clip import ClipId, ClipOutcome, ClipStatus
from studio.contracts.take import Take, TakesToUse, TakesUsed
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.store.films import FilmStore
from studio.store.takes import TakeStore

_log = structlog.get_logger()

COPIES_AT_ONCE = 8


class TakeActivities:
    """Finds takes. Nothing is made or paid here."""

    def __init__(self, objects: ObjectStore, takes: TakeStore, films: FilmStore) -> None:
        self._objects = objects
        self._takes = takes
        self._films = films

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
            await self._films.record_clips(wanted.channel, wanted.video_id, outcomes, wanted.revision)
        _log.info("takes.used", clips=len(wanted.takes), used=len(outcomes))
        return TakesUsed(outcomes=outcomes)

    async def _use(self, clip: ClipId, take: Take) -> ClipOutcome | None:
        media, place = take.file.media, keys.clip_key(clip)
        if not await self._objects.is_intact(media):
            await self._put_aside(clip.channel, take)
            if not await self._objects.is_intact(media.model_copy(update={"key": place})):
                await self._takes.forget(clip.channel, take.take, take.file)
                return None
            await self._objects.copy(place, media.key, new=True)
            _log.warning("take.restored", take=take.take, key=media.key)
        await self._objects.copy(media.key, place)
        return ClipOutcome(
            number=clip.number,
            status=ClipStatus.DONE,
            take=take.take,
            reused=True,
            recorded=True,
            file=take.file,
            task_id=take.task_id,
        )

    async def _put_aside(self, channel: str, take: Take) -> None:
        """Make room for the take's own bytes; what lies there stays for a person to look at."""
        media = take.file.media
        damaged = await self._objects.refer(media.key, media.mime)
        _log.warning("take.file_lost", take=take.take, key=media.key, damaged=damaged is not None)
        if damaged is not None:
            await self._objects.copy(media.key, keys.damaged_key(channel, take.take, damaged.sha256))
            await self._objects.delete(media.key)
