"""Ingesting finished clips: download, verify, store."""

import asyncio
from pathlib import Path

import structlog
from temporalio import activity

from activities._delivery import Deliveries
from activities._heartbeat import beating
from activities._recording import Recording
from activities._scratch import scratch
from activities._take import store_take
from studio.contracts.clip import CameraMove, ClipFile, ClipId, ClipOutcome, ClipStatus
from studio.contracts.keeping import ClipToKeep, KeptClip
from studio.contracts.video import ClipRecord, Unfinished
from studio.errors import BadClip, ClipUnreadable, DatabaseUnavailable, DownloadBroken, LinkDoubtful, NotAVideo
from studio.media.conform import conform_to
from studio.media.probe import MediaInfo, faulty
from studio.media.verify import Ordered, examine_clip
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.prompts.camera import move_of
from studio.providers.files import Downloaded, FileClient

_log = structlog.get_logger()


TRIES_PER_LINK = 5
"""Attempts at one address whose downloads break off, before it is renewed."""
_AGAIN = " - every download gave the same bytes"


class KeepingActivities:
    """Downloads clips, looks at them, and puts them into our store or aside."""

    def __init__(
        self, objects: ObjectStore, files: FileClient, recording: Recording, deliveries: Deliveries, *, work_dir: Path
    ) -> None:
        self._objects = objects
        self._files = files
        self._recording = recording
        self._deliveries = deliveries
        self._work_dir = work_dir

    @activity.defn
    async def keep_clip(self, clip: ClipToKeep) -> KeptClip:
        """Download the clip before its address expires, decode every frame of it, and store it as a take.

        One of another codec or size is converted, and its file says so. A file that is no whole video is downloaded
        again, under a renewed address, too. One that is not what was ordered, or is broken in every download, is kept
        aside for a person, and the order is marked: the next attempt orders anew.

        Raises:
            DownloadBroken: this download gave no usable file.
            LinkDoubtful, LinkExpired: this address will not give one.
            BadClip: the clip is not what was ordered.
        """
        async with beating():
            with scratch(self._work_dir) as folder:
                path = folder / f"{clip.clip.name}.mp4"
                came = await self._download(clip, path)
                path, info, conformed = await self._examine(clip, path, came)
                place = keys.clip_key(clip.clip) if clip.use is not None else None
                file = await store_take(self._objects, clip.clip.channel, clip.take, path, info, place=place)
            file = file.model_copy(update={"conformed": conformed})
            _log.info("clip.kept", task_id=clip.task_id, key=file.media.key, size_bytes=came.size, conformed=conformed)
            return KeptClip(file=file, recorded=await self._record(clip, file))

    @activity.defn
    async def remove_unfinished(self, unfinished: Unfinished) -> None:
        """Remove the files of clips that a cancelled video did not finish. Takes stay: they are paid for."""
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

    async def _download(self, clip: ClipToKeep, path: Path) -> Downloaded:
        try:
            return await self._files.download(clip.url, path)
        except NotAVideo as other:
            await self._deliveries.doubt(clip, str(other), other.sha256, is_video=False)
            bad = faulty(BadClip(f"{other}{_AGAIN}"), "no video")
            await self._refuse(clip, None, bad)
            raise bad from None
        except DownloadBroken as broken:
            if activity.info().attempt >= TRIES_PER_LINK:
                raise LinkDoubtful(str(broken)) from None
            raise

    async def _examine(self, clip: ClipToKeep, path: Path, came: Downloaded) -> tuple[Path, MediaInfo, str]:
        """The file to keep, what it is, and in which ways it had to be converted."""
        try:
            examined = await asyncio.to_thread(examine_clip, path, _ordered(clip))
        except ClipUnreadable as broken:
            await self._deliveries.doubt(clip, str(broken), came.sha256, is_video=True)
            bad = faulty(BadClip(f"{broken}{_AGAIN}"), broken.fault)
            await self._refuse(clip, path, bad)
            raise bad from None
        except BadClip as bad:
            await self._refuse(clip, path, bad)
            raise
        fault = ", ".join(one.kind for one in examined.deviations)
        words = "; ".join(one.text for one in examined.deviations)
        await self._deliveries.count(clip, fault, words)
        if not fault:
            return path, examined.info, ""
        target = path.with_stem(f"{path.stem}_conformed")
        info = await conform_to(path, target, width=clip.width, height=clip.height)
        sound = "; its sound is not kept" if examined.info.has_audio else ""
        return target, info, f"conformed: {words}{sound}"

    async def _refuse(self, clip: ClipToKeep, path: Path | None, bad: BadClip) -> None:
        """The clip is not what was ordered: keep its file aside, mark its order."""
        key = keys.rejected_key(clip.clip, clip.task_id)
        if path is not None:
            await self._objects.put(path, key, "video/mp4")
        await self._recording.ledger.condemn(clip.clip.channel, clip.task_id, str(bad))
        _log.error("clip.rejected", task_id=clip.task_id, key=key, reason=str(bad))
        await self._deliveries.count(clip, bad.fault or "other", str(bad))


def _ordered(clip: ClipToKeep) -> Ordered:
    move = clip.camera or move_of(clip.prompt)
    return Ordered(seconds=clip.seconds, width=clip.width, height=clip.height, moving=move is not CameraMove.STATIC)
