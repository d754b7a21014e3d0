"""Sentences of projects: how their pictures and clips are made, and taking what was made. Nothing renders here."""

from datetime import UTC, datetime
from pathlib import Path

import structlog
from temporalio import activity

from activities._heartbeat import beating
from activities._sentence_plan import planner_for
from activities._sentence_stores import SentenceStores
from studio.contracts.base import MediaRef
from studio.contracts.clip import MOST_VARIANTS
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Progress, Stage
from studio.contracts.project import Sentence, SentenceId
from studio.contracts.sentence import SentencePlan, SentenceRender, SentenceToMake, UsedRender
from studio.contracts.take import RenderParts
from studio.errors import InvalidRequest
from studio.objects import keys
from studio.objects.store import ObjectStore

_log = structlog.get_logger()


class SentenceActivities:
    """Plans and takes."""

    def __init__(self, stores: SentenceStores, objects: ObjectStore, *, work_dir: Path) -> None:
        self._stores = stores
        self._objects = objects
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
                there = (await self._stores.renders.finished(wanted.channel, [take])).get(take)
                if wanted.force and there is not None:
                    await self._vary(sentence, wanted.category, planned.parts.variant + 1)
                    continue
                now = await self._want(sentence, wanted.category, take)
                if now is not None:  # else it was changed since it was read
                    break
        return SentencePlan(
            channel=wanted.channel,
            project_id=wanted.project_id,
            sentence_id=wanted.sentence_id,
            category=wanted.category,
            order=planned.order,
            graph_sha256=planned.parts.graph_sha256,
            variant=planned.parts.variant,
            fits=None if wanted.force else _fitting(now, wanted.category),
            there=there.file if there else None,
        )

    @activity.defn
    async def use_render(self, made: SentenceRender) -> UsedRender:
        """Keep what was made, and give it to the sentence if that is still what it wants. May be repeated."""
        plan, order = made.plan, made.plan.order
        parts = RenderParts(
            graph=order.graph,
            graph_sha256=plan.graph_sha256,
            parameters=order.parameters,
            frames=order.kept_frames,
            variant=plan.variant,
        )
        kept = await self._stores.renders.keep(plan.channel, order.take, parts, made.file, seconds=made.seconds)
        image = plan.category is ModelCategory.IMAGE
        file = kept.media.model_copy(update={"key": keys.image_key(plan) if image else keys.video_key(plan)})
        give = self._stores.projects.set_image if image else self._stores.projects.set_video
        if await give(plan, order.take, file):
            await self._objects.copy(kept.media.key, file.key)
            # Asked again: another file may have come to the same place meanwhile, and this one after it.
            if await give(plan, order.take, file):
                await self._tell(plan)
                _log.info("sentence.taken", key=file.key, take=order.take)
                return UsedRender(file=file)
        _log.info("sentence.wants_another", take=order.take)
        return UsedRender(file=None)

    async def _read(self, wanted: SentenceId) -> Sentence:
        sentence = await self._stores.projects.sentence(wanted)
        if sentence is None:
            raise InvalidRequest(f"sentence_id: project {wanted.project_id} has no {wanted.sentence_id}")
        return sentence

    async def _vary(self, sentence: Sentence, category: ModelCategory, variant: int) -> None:
        if variant > MOST_VARIANTS:
            raise InvalidRequest(f"variant: all {MOST_VARIANTS} of sentence {sentence.sentence_id} are there")
        projects, image = self._stores.projects, category is ModelCategory.IMAGE
        await (projects.choose_image_variant if image else projects.choose_video_variant)(sentence, variant)

    async def _want(self, sentence: Sentence, category: ModelCategory, take: str) -> Sentence | None:
        projects, image = self._stores.projects, category is ModelCategory.IMAGE
        return await (projects.want_image if image else projects.want_video)(sentence, take)

    async def _tell(self, plan: SentencePlan) -> None:
        news = Progress(
            job=activity.info().workflow_id or "-",
            channel=plan.channel,
            project_id=plan.project_id,
            sentence_id=plan.sentence_id,
            take=plan.order.take,
            stage=Stage.DONE,
            fraction=1,
            at=datetime.now(UTC),
        )
        await self._stores.events.publish(news)


def _fitting(sentence: Sentence, category: ModelCategory) -> MediaRef | None:
    """The file the sentence has, if it is not dirty."""
    if category is ModelCategory.IMAGE:
        return None if sentence.is_image_dirty else sentence.image_file
    return None if sentence.is_video_dirty else sentence.video_file
