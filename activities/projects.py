"""Projects: written down as somebody wants them, and compared with what would be made today."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import structlog
from temporalio import activity

from activities._comparison import Plans, plans_of, take_of
from activities._heartbeat import beating
from activities._sentence_plan import Planned, planner_for
from activities._sentence_stores import SentenceStores
from studio.contracts.base import MediaRef
from studio.contracts.model import ModelCategory
from studio.contracts.project import ProjectName
from studio.contracts.project_draft import (
    LONGEST_OBSTACLE,
    ProjectDraft,
    ProjectReview,
    ReviewedSentence,
    WrittenProject,
)
from studio.errors import BadStill, InvalidRequest, MediaChanged, MediaMissing
from studio.media.picture import probe_picture
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.store.drafts import DraftStore

FILES_AT_ONCE = 8
MOST_COMPLAINTS = 20
"""How many are told at once."""

_log = structlog.get_logger()


class ProjectActivities:
    """Writes and compares. Nothing renders here."""

    def __init__(self, drafts: DraftStore, stores: SentenceStores, objects: ObjectStore, *, work_dir: Path) -> None:
        self._drafts = drafts
        self._stores = stores
        self._objects = objects
        self._work_dir = work_dir

    @activity.defn
    async def write_project(self, draft: ProjectDraft) -> WrittenProject:
        """Write a project down, all of it or nothing, and say what is to be made now. May be repeated.

        Raises:
            InvalidRequest: a file is missing, no picture, or another channel's.
        """
        async with beating():
            await self._ensure_files(draft)
            written = await self._drafts.write(draft)
        images = tuple(one.sentence_id for one in written.sentences if one.is_image_dirty)
        videos = tuple(one.sentence_id for one in written.sentences if one.is_video_dirty)
        _log.info("project.written", sentences=len(written.sentences), dirty_images=len(images))
        return WrittenProject(
            channel=draft.channel,
            project_id=draft.project_id,
            sentences=len(written.sentences),
            removed=tuple(written.removed),
            dirty_images=images,
            dirty_videos=videos,
        )

    @activity.defn
    async def compare_project(self, name: ProjectName) -> ProjectReview:
        """Let the flags follow what would be made today, and say what cannot be made.

        Raises:
            InvalidRequest: there is no such project.
        """
        async with beating():
            planner = await planner_for(name, self._stores, self._objects)
            asked = await self._stores.projects.sentences(name.channel, name.project_id)
            images = await plans_of(planner, asked, ModelCategory.IMAGE, self._work_dir)
            videos = await plans_of(planner, asked, ModelCategory.VIDEO, self._work_dir)
            takes = [(one, take_of(images, one), take_of(videos, one)) for one in asked]
            await self._stores.projects.compare(takes)
            now = await self._stores.projects.sentences(name.channel, name.project_id)
        reviewed = tuple(
            ReviewedSentence(
                sentence_id=one.sentence_id,
                is_image_dirty=one.is_image_dirty,
                is_video_dirty=one.is_video_dirty,
                image_obstacle=_obstacle(images, one.sentence_id),
                video_obstacle=_obstacle(videos, one.sentence_id),
            )
            for one in now
        )
        return ProjectReview(channel=name.channel, project_id=name.project_id, sentences=reviewed)

    async def _ensure_files(self, draft: ProjectDraft) -> None:
        turns = asyncio.Semaphore(FILES_AT_ONCE)
        known = {one.image_file for one in await self._stores.projects.sentences(draft.channel, draft.project_id)}
        looks = [self._look(draft.channel, *file, known, turns) for file in _files(draft)]
        wrong = [words for words in await asyncio.gather(*looks) if words]
        if wrong:
            more = f"\nand {len(wrong) - MOST_COMPLAINTS} more" if len(wrong) > MOST_COMPLAINTS else ""
            raise InvalidRequest("\n".join(wrong[:MOST_COMPLAINTS]) + more)

    async def _look(
        self, channel: str, path: str, file: MediaRef, known: set[MediaRef | None], turns: asyncio.Semaphore
    ) -> str:
        """What is wrong with a file; of sound only whether it is there: its length is a matter of each clip."""
        if not file.key.startswith(keys.channel_prefix(channel)):
            return f"{path}: {file.key} lies outside channel {channel}"
        async with turns:
            try:
                if path.endswith(".audio_file"):
                    if await self._objects.size(file.key) is None:
                        return f"{path}: {file.key} is not in the object store"
                elif file not in known:
                    await asyncio.to_thread(probe_picture, await self._objects.read(file))
            except (MediaMissing, MediaChanged, BadStill) as error:
                return f"{path}: {error}"
        return ""


def _files(draft: ProjectDraft) -> Iterator[tuple[str, MediaRef]]:
    """Every file a draft names, with the path of the field."""
    for place, sentence in enumerate(draft.sentences):
        for name, file in (("audio_file", sentence.audio_file), ("image_file", sentence.image_file)):
            if file is not None:
                yield f"sentences.{place}.{name}", file
    for place, character in enumerate(draft.characters):
        for number, file in enumerate(character.references):
            yield f"characters.{place}.references.{number}", file


def _obstacle(plans: Plans, sentence_id: str) -> str:
    planned = plans.get(sentence_id)
    return "" if planned is None or isinstance(planned, Planned) else str(planned)[:LONGEST_OBSTACLE]
