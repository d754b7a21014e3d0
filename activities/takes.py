"""Takes that are there already: a film uses them instead of having its clips made."""

import asyncio

import structlog
from temporalio import activity

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
        """Give those clips their takes whose takes are there, file and all."""
        there = await self._takes.finished(wanted.channel, wanted.takes.values())
        turns = asyncio.Semaphore(COPIES_AT_ONCE)

        async def use(number: int, take: Take) -> ClipOutcome | None:
            async with turns:
                if await self._objects.size(take.file.media.key) != take.file.media.size:
                    _log.warning("take.file_missing", take=take.take, key=take.file.media.key)
                    return None
                clip = ClipId(channel=wanted.channel, video_id=wanted.video_id, number=number)
                await self._objects.copy(take.file.media.key, keys.clip_key(clip))
            return ClipOutcome(
                number=number,
                status=ClipStatus.DONE,
                take=take.take,
                reused=True,
                recorded=True,
                file=take.file,
                task_id=take.task_id,
            )

        uses = [use(number, there[take]) for number, take in wanted.takes.items() if take in there]
        outcomes = [outcome for outcome in await asyncio.gather(*uses) if outcome is not None]
        await self._films.record_clips(wanted.channel, wanted.video_id, outcomes, wanted.revision)
        _log.info("takes.used", clips=len(wanted.takes), used=len(outcomes))
        return TakesUsed(outcomes=outcomes)
