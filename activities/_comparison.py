"""Sentences compared with what they would be made from today: the flags follow the digests."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from activities._sentence_plan import Planned, Planner
from studio.contracts.model import ModelCategory
from studio.contracts.project import Sentence
from studio.errors import InvalidRequest, MediaError
from studio.places import Places

AT_ONCE = 8

Plans = Mapping[str, Planned | InvalidRequest | MediaError]
"""By sentence: how it would be made, or why it cannot."""


async def look_at_all(sentences: Sequence[Sentence], category: ModelCategory, places: Places) -> None:
    """Files that are gone make their sentences dirty."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(sentence: Sentence) -> None:
        async with turns:
            await places.look(sentence, category)

    await asyncio.gather(*map(look, sentences))


async def plans_of(planner: Planner, sentences: Sequence[Sentence], category: ModelCategory, work_dir: Path) -> Plans:
    """How the pictures or clips of these sentences would be made today."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def plan(sentence: Sentence) -> Planned | InvalidRequest | MediaError:
        async with turns:
            try:
                return await planner.plan(sentence, category, work_dir)
            except (InvalidRequest, MediaError) as error:
                return error

    plans = await asyncio.gather(*map(plan, sentences))
    return {one.sentence_id: planned for one, planned in zip(sentences, plans, strict=True)}


def take_of(plans: Plans, sentence: Sentence) -> str | None:
    """The take that would be made; None: nobody knows."""
    planned = plans.get(sentence.sentence_id)
    return planned.order.take if isinstance(planned, Planned) else None
