"""A finished clip on its way home."""

import asyncio
from pathlib import Path

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._recording import Recording
from activities._scratch import scratch
from activities._take import store_take
from studio.contracts.clip import CameraMove, ClipFile, ClipId, ClipOutcome, ClipStatus
from studio.contracts.film import ClipRecord, Unfinished
from studio.contracts.keeping import ClipToKeep, KeptClip
from studio.errors import BadClip, DatabaseUnavailable
from studio.media.verify import Ordered, verify_clip
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.prompts.camera import move_of
from studio.providers.files import FileClient

_log = structlog.get_logger()


class KeepingActivities:
    """Fetches clips, looks at them, and puts them into our store or aside."""

    def __init__(self, objects: ObjectStore, files: FileClient, recording: Recording, *, work_dir: Path) -> None:
        self._objects = objects
        self._files = files
        self._recording = recording
        self._work_dir = work_dir

    @activity.defn
    async def keep_clip(self, clip: ClipToKeep) -> KeptClip:
        """Bring the clip home before its address expires, and look at every frame of it.

        A file that is not what was ordered is kept aside for a person, and the order is marked: the next attempt
        orders anew.
        """
        async with beating():
            with scratch(self._work_dir) as folder:
                path = folder / f"{clip.clip.name}.mp4"
                size = await self._files.download(clip.url, path)
                try:
                    info = await asyncio.to_thread(verify_clip, path, _ordered(clip))
                except BadClip as bad:
                    await self._put_aside(clip, path, bad)
                    raise
                place = keys.clip_key(clip.clip) if clip.use is not None else None
                file = await store_take(self._objects, clip.clip.channel, clip.take, path, info, place=place)
            _log.info("clip.kept", task_id=clip.task_id, key=file.media.key, size_bytes=size, seconds=info.seconds)
            return KeptClip(file=file, recorded=await self._record(clip, file))

    @activity.defn
    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        """Remove the files of clips that a cancelled film did not finish. Takes stay: they are paid for."""
        for number in unfinished.numbers:
            clip = ClipId(channel=unfinished.channel, video_id=unfinished.video_id, number=number)
            await self._objects.delete(keys.clip_key(clip))

    async def _record(self, clip: ClipToKeep, file: ClipFile) -> bool:
        """Nobody fetches a clip again because the database is away: then it is written down later."""
        if clip.use is None:
            return False
        outcome = ClipOutcome(
            number=clip.clip.number,
            status=ClipStatus.DONE,
            take=clip.take,
            file=file,
            task_id=clip.task_id,
            submission_id=clip.use.submission_id,
            cost_usd=clip.use.cost_usd,
            generation_seconds=clip.use.generation_seconds,
        )
        name = clip.clip
        record = ClipRecord(channel=name.channel, video_id=name.video_id, outcome=outcome, revision=clip.use.revision)
        try:
            await self._recording.write(record)
        except DatabaseUnavailable:
            _log.warning("clip.not_recorded", task_id=clip.task_id)
            return False
        return True

    async def _put_aside(self, clip: ClipToKeep, path: Path, bad: BadClip) -> None:
        key = keys.rejected_key(clip.clip, clip.task_id)
        await self._objects.put(path, key, "video/mp4")
        await self._recording.ledger.condemn(clip.clip.channel, clip.take, clip.task_id, str(bad))
        _log.error("clip.rejected", task_id=clip.task_id, key=key, reason=str(bad))


def _ordered(clip: ClipToKeep) -> Ordered:
    move = clip.camera or move_of(clip.prompt)
    return Ordered(seconds=clip.seconds, width=clip.width, height=clip.height, moving=move is not CameraMove.STATIC)
