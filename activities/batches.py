"""Batches: which sentences of a project are to be made, and in which order."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from temporalio import activity

from activities._heartbeat import beating
from activities._sentence_plan import Planned, Planner, planner_for
from activities._sentence_stores import SentenceStores
from studio.contracts.model import ModelCategory
from studio.contracts.project import Sentence
from studio.contracts.sentence import MOST_SENTENCES, Batch, ProjectRequest
from studio.errors import InvalidRequest, MediaError
from studio.objects.store import ObjectStore
from studio.places import Places
from studio.sentences import batch_of

PLANS_AT_ONCE = 8


class BatchActivities:
    """Looks through projects."""

    def __init__(self, stores: SentenceStores, objects: ObjectStore, *, work_dir: Path) -> None:
        self._stores = stores
        self._objects = objects
        self._work_dir = work_dir

    @activity.defn
    async def choose_sentences(self, request: ProjectRequest) -> Batch:
        """The sentences of a batch, those together that need the same model files on the GPU.

        The flags follow the digests first: what a style, a model or a graph made stale since, or whose file is
        gone, is made as well.

        Raises:
            InvalidRequest: no such project or sentence, or too many of them.
        """
        async with beating():
            planner = await planner_for(request, self._stores, self._objects)
            asked = batch_of(await self._sentences(request), request.category, ids=request.sentence_ids, force=True)
            await self._look(asked, request.category)
            plans = await self._plans(planner, asked, request.category)
            await self._compare(asked, plans, request.category)
            ids = {sentence.sentence_id for sentence in asked}
            asked = [sentence for sentence in await self._sentences(request) if sentence.sentence_id in ids]
        groups: dict[str, list[str]] = {}
        for sentence in batch_of(asked, request.category, force=request.force):
            plan = plans.get(sentence.sentence_id)
            groups.setdefault(plan.loads if plan else "", []).append(sentence.sentence_id)
        chosen = tuple(sentence_id for group in groups.values() for sentence_id in group)
        if len(chosen) > MOST_SENTENCES:
            raise InvalidRequest(f"sentence_ids: {len(chosen)} sentences, {MOST_SENTENCES} can be made at once")
        return Batch(sentence_ids=chosen)

    async def _sentences(self, request: ProjectRequest) -> list[Sentence]:
        return await self._stores.projects.sentences(request.channel, request.project_id)

    async def _look(self, sentences: Sequence[Sentence], category: ModelCategory) -> None:
        """Files that are gone make their sentences dirty."""
        turns, places = asyncio.Semaphore(PLANS_AT_ONCE), Places(self._stores.projects, self._objects)

        async def look(sentence: Sentence) -> None:
            async with turns:
                await places.look(sentence, category)

        await asyncio.gather(*map(look, sentences))

    async def _plans(
        self, planner: Planner, sentences: Sequence[Sentence], category: ModelCategory
    ) -> dict[str, Planned]:
        """By sentence. Those that cannot be made are missing: why, their own plans will say."""
        turns = asyncio.Semaphore(PLANS_AT_ONCE)

        async def plan(sentence: Sentence) -> Planned | None:
            async with turns:
                try:
                    return await planner.plan(sentence, category, self._work_dir)
                except (InvalidRequest, MediaError):
                    return None

        plans = await asyncio.gather(*map(plan, sentences))
        return {one.sentence_id: planned for one, planned in zip(sentences, plans, strict=True) if planned is not None}

    async def _compare(self, sentences: Sequence[Sentence], plans: dict[str, Planned], category: ModelCategory) -> None:
        takes = [(one, plans[one.sentence_id].order.take) for one in sentences if one.sentence_id in plans]
        if category is ModelCategory.IMAGE:
            await self._stores.projects.compare([(one, take, None) for one, take in takes])
        else:
            await self._stores.projects.compare([(one, None, take) for one, take in takes])
