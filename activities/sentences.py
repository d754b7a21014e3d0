"""Sentences of projects: how their pictures and clips are made, and taking what was made. Nothing renders here."""

from pathlib import Path

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._sentence_news import tell_done
from activities._sentence_plan import planner_for
from activities._sentence_stores import SentenceStores
from studio.contracts.base import MediaRef
from studio.contracts.clip import MOST_VARIANTS
from studio.contracts.model import ModelCategory
from studio.contracts.project import Sentence
from studio.contracts.sentence import SentencePlan, SentenceRender, SentenceToMake, UsedRender
from studio.contracts.take import RenderedFile
from studio.errors import InvalidRequest, MediaMissing
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.places import Places, lies, place_of
from studio.sentences import is_dirty

_log = structlog.get_logger()

STALE = "made of a picture that does not fit the sentence any more - make its image, then the clip again"


class SentenceActivities:
    """Plans and takes."""

    def __init__(self, stores: SentenceStores, objects: ObjectStore, *, work_dir: Path) -> None:
        self._stores = stores
        self._objects = objects
        self._places = Places(stores.projects, objects)
        self._work_dir = work_dir

    @activity.defn
    async def plan_sentence(self, wanted: SentenceToMake) -> SentencePlan:
        """How it is made. From now on the sentence wants this, and takes nothing that was planned before.

        With `force` the sentence chooses its next variant that is not there yet.

        Raises:
            InvalidRequest: it cannot be made.
        """
        async with beating():
            planner = await planner_for(wanted, self._stores, self._objects)
            while True:
                sentence = await self._read(wanted)
                planned = await planner.plan(sentence, wanted.category, self._work_dir)
                take = planned.order.take
                there = await self._there(wanted.channel, take)
                if wanted.force and there is not None:
                    await self._vary(sentence, wanted.category, planned.parts.variant + 1)
                    continue
                now = await self._want(sentence, wanted.category, take)
                if now is not None:  # else it was changed since it was read
                    break
            clean = not (wanted.force or is_dirty(now, wanted.category))
            fits = await self._places.look(now, wanted.category) if clean else None
        plan = SentencePlan(
            channel=wanted.channel,
            project_id=wanted.project_id,
            sentence_id=wanted.sentence_id,
            category=wanted.category,
            order=planned.order,
            fits=fits,
            there=there,
            notes=(STALE,) if wanted.category is ModelCategory.VIDEO and now.is_image_dirty else (),
        )
        if fits is not None:
            await tell_done(plan, self._stores.events)
        return plan

    @activity.defn
    async def use_render(self, made: SentenceRender) -> UsedRender:
        """Give what was made to the sentence, if that is still what it wants. May be repeated.

        Raises:
            InvalidRequest: the file is another channel's.
        """
        keys.ensure_of_channel(made.plan.channel, made)
        async with beating():
            return await self._use(made)

    async def _use(self, made: SentenceRender) -> UsedRender:
        plan, take, category = made.plan, made.plan.order.take, made.plan.category
        if await self._stores.projects.wants(plan, category, take):
            file = made.file.media.model_copy(update={"key": place_of(plan, category)})
            try:
                await self._objects.copy(made.file.media.key, file.key)
            except MediaMissing:
                if plan.there is None:
                    raise
                # Lost since it was planned: then it is made.
                await self._stores.renders.forget(plan.channel, take, made.file)
                return UsedRender(file=None)
            # Only now, so that nobody takes for clean what does not lie there yet.
            if await self._give(plan, file):
                await tell_done(plan, self._stores.events)
                _log.info("sentence.taken", key=file.key, take=take)
                return UsedRender(file=file)
        # Also when nothing was copied now: an attempt before this one may have.
        await self._places.settle(plan, category)
        _log.info("sentence.wants_another", take=take)
        return UsedRender(file=None)

    async def _read(self, wanted: SentenceToMake) -> Sentence:
        sentence = await self._stores.projects.sentence(wanted)
        if sentence is None:
            raise InvalidRequest(f"sentence_id: project {wanted.project_id} has no {wanted.sentence_id}")
        if wanted.category is ModelCategory.VIDEO and sentence.image_file is not None:
            if await self._places.look(sentence, ModelCategory.IMAGE) is None:  # from now on it has none
                return await self._read(wanted)
        return sentence

    async def _there(self, channel: str, take: str) -> RenderedFile | None:
        """The file of the take, if the channel has it."""
        found = (await self._stores.renders.finished(channel, [take])).get(take)
        if found is None or await lies(found.file.media, self._objects):
            return found.file if found else None
        _log.warning("take.file_missing", take=take, key=found.file.media.key)
        await self._stores.renders.forget(channel, take, found.file)
        return None

    async def _vary(self, sentence: Sentence, category: ModelCategory, variant: int) -> None:
        if variant > MOST_VARIANTS:
            raise InvalidRequest(f"variant: all {MOST_VARIANTS} of sentence {sentence.sentence_id} are there")
        projects, image = self._stores.projects, category is ModelCategory.IMAGE
        await (projects.choose_image_variant if image else projects.choose_video_variant)(sentence, variant)

    async def _want(self, sentence: Sentence, category: ModelCategory, take: str) -> Sentence | None:
        projects, image = self._stores.projects, category is ModelCategory.IMAGE
        return await (projects.want_image if image else projects.want_video)(sentence, take)

    async def _give(self, plan: SentencePlan, file: MediaRef) -> bool:
        projects, image = self._stores.projects, plan.category is ModelCategory.IMAGE
        return await (projects.set_image if image else projects.set_video)(plan, plan.order.take, file)
