"""Projects: written down as somebody wants them, and compared with what would be made today."""

from pathlib import Path

import structlog
from temporalio import activity

from activities._comparison import Plans, look_at_all, plans_of, take_of
from activities._draft_files import ensure_files
from activities._heartbeat import beating
from activities._sentence_plan import Planned, planner_for
from activities._sentence_stores import SentenceStores
from studio.contracts.model import ModelCategory
from studio.contracts.project import ProjectName, SentenceId
from studio.contracts.project_draft import (
    LONGEST_OBSTACLE,
    DraftedSentence,
    ProjectDraft,
    ProjectReview,
    ReviewedSentence,
    WrittenProject,
)
from studio.objects.store import ObjectStore
from studio.places import Places
from studio.store.drafts import DraftStore

_log = structlog.get_logger()


class ProjectActivities:
    """Writes and compares. Nothing renders here."""

    def __init__(self, drafts: DraftStore, stores: SentenceStores, objects: ObjectStore, *, work_dir: Path) -> None:
        self._drafts = drafts
        self._stores = stores
        self._objects = objects
        self._places = Places(stores.projects, objects)
        self._work_dir = work_dir

    @activity.defn
    async def write_project(self, draft: ProjectDraft) -> WrittenProject:
        """Write a project down, all of it or nothing, and say what is to be made now. May be repeated.

        Raises:
            InvalidRequest: a file is missing, no picture, or another channel's.
        """
        async with beating():
            known = {one.image_file for one in await self._stores.projects.sentences(draft.channel, draft.project_id)}
            await ensure_files(draft, known, self._objects)
            draft = draft.model_copy(
                update={"sentences": tuple([await self._held(draft, one) for one in draft.sentences])}
            )
            written = await self._drafts.write(draft)
            for sentence in draft.sentences:
                if sentence.image_file is not None:
                    await self._places.settle(_id(draft, sentence), ModelCategory.IMAGE)
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
            for category in ModelCategory:
                await look_at_all(asked, category, self._places)
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

    async def _held(self, draft: ProjectDraft, sentence: DraftedSentence) -> DraftedSentence:
        """Its picture where no other one will follow."""
        if sentence.image_file is None:
            return sentence
        kept = await self._places.hold(_id(draft, sentence), sentence.image_file)
        return sentence.model_copy(update={"image_file": kept})


def _id(draft: ProjectDraft, sentence: DraftedSentence) -> SentenceId:
    return SentenceId(channel=draft.channel, project_id=draft.project_id, sentence_id=sentence.sentence_id)


def _obstacle(plans: Plans, sentence_id: str) -> str:
    planned = plans.get(sentence_id)
    return "" if planned is None or isinstance(planned, Planned) else str(planned)[:LONGEST_OBSTACLE]
