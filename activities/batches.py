"""Batches: which sentences of a project are to be made, and in which order."""

from pathlib import Path

from temporalio import activity

from activities._comparison import Plans, look_at_all, plans_of, take_of
from activities._heartbeat import beating
from activities._sentence_plan import Planned, planner_for
from activities._sentence_stores import SentenceStores
from studio.contracts.model import ModelCategory
from studio.contracts.project import Sentence
from studio.contracts.sentence import MOST_SENTENCES, Batch, ProjectRequest
from studio.errors import InvalidRequest
from studio.objects.store import ObjectStore
from studio.places import Places
from studio.sentences import batch_of


class BatchActivities:
    """Looks through projects."""

    def __init__(self, stores: SentenceStores, objects: ObjectStore, *, work_dir: Path) -> None:
        self._stores = stores
        self._objects = objects
        self._places = Places(stores.projects, objects)
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
            await look_at_all(asked, request.category, self._places)
            plans = await plans_of(planner, asked, request.category, self._work_dir)
            await self._compare(asked, plans, request.category)
            ids = {sentence.sentence_id for sentence in asked}
            asked = [sentence for sentence in await self._sentences(request) if sentence.sentence_id in ids]
        groups: dict[str, list[str]] = {}
        for sentence in batch_of(asked, request.category, force=request.force):
            plan = plans.get(sentence.sentence_id)
            # Those that cannot be made come along: why, their own plans will say.
            groups.setdefault(plan.loads if isinstance(plan, Planned) else "", []).append(sentence.sentence_id)
        chosen = tuple(sentence_id for group in groups.values() for sentence_id in group)
        if len(chosen) > MOST_SENTENCES:
            raise InvalidRequest(f"sentence_ids: {len(chosen)} sentences, {MOST_SENTENCES} can be made at once")
        return Batch(sentence_ids=chosen)

    async def _sentences(self, request: ProjectRequest) -> list[Sentence]:
        return await self._stores.projects.sentences(request.channel, request.project_id)

    async def _compare(self, sentences: list[Sentence], plans: Plans, category: ModelCategory) -> None:
        takes = [(one, take) for one in sentences if (take := take_of(plans, one)) is not None]
        if category is ModelCategory.IMAGE:
            await self._stores.projects.compare([(one, take, None) for one, take in takes])
        else:
            await self._stores.projects.compare([(one, None, take) for one, take in takes])
