"""What is made from finished clips: the film and its contact sheet."""

import asyncio
from collections.abc import Iterable
from pathlib import Path

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._scratch import scratch
from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipFile
from studio.contracts.film import FilmToJoin, JoinedFilm
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
    async def join_clips(self, film: FilmToJoin) -> JoinedFilm:
        """Join the clips by stream copy; only clips that differ from the others are encoded."""
        async with beating():
            with scratch(self._work_dir) as folder:
                target = folder / "film.mp4"
                joined = await join(await self._fetch(film.clips, folder), target)
                media = await self._objects.put(target, keys.film_key(film.channel, film.video_id), "video/mp4")
        film_joined = JoinedFilm(
            media=media,
            seconds=joined.info.seconds,
            frames=joined.info.frames,
            conformed=_numbers(joined.conformed),
            silenced=_numbers(joined.silenced),
            tone_mapped=_numbers(joined.tone_mapped),
        )
        _log.info("film.joined", key=media.key, seconds=joined.info.seconds, notes=film_joined.notes())
        return film_joined

    @activity.defn
    async def make_contact_sheet(self, film: FilmToJoin) -> MediaRef:
        """One picture of every clip, side by side."""
        async with beating():
            with scratch(self._work_dir) as folder:
                target = folder / "sheet.png"
                pictures = await self._fetch_pictures(film.clips, folder)
                await asyncio.to_thread(contact_sheet, pictures, target, title=f"{film.channel} / {film.video_id}")
                return await self._objects.put(target, keys.sheet_key(film.channel, film.video_id), "image/png")

    async def _fetch(self, clips: list[ClipFile], folder: Path) -> list[Path]:
        return [
            await self._objects.fetch(clip.media, folder / f"clip_{place:03d}.mp4")
            for place, clip in enumerate(clips, start=1)
        ]

    async def _fetch_pictures(self, clips: list[ClipFile], folder: Path) -> list[Path]:
        """The small picture of each clip, or the clip itself where there is none."""
        return [
            await self._objects.fetch(clip.picture, folder / f"clip_{place:03d}.jpg")
            if clip.picture
            else await self._objects.fetch(clip.media, folder / f"clip_{place:03d}.mp4")
            for place, clip in enumerate(clips, start=1)
        ]


def _numbers(places: Iterable[int]) -> list[int]:
    return [place + 1 for place in places]
