"""Looking at a film before anything is spent on it."""

import asyncio

from temporalio import activity

from activities._heartbeat import beating
from comfy_workflows.graph import GraphTemplate
from studio import graphs, intake
from studio.contracts.film import FilmToCheck, VideoRequest
from studio.errors import BadStill, InvalidRequest, MediaChanged, MediaMissing
from studio.objects.keys import GRAPHS
from studio.objects.store import ObjectStore
from studio.store.takes import TakeStore
from studio.takes import takes_of

STILLS_AT_ONCE = 4
MOST_COMPLAINTS = 20
"""How many are told at once; a film of 500 clips with one mistake needs no list of 500."""


class IntakeActivities:
    """Refuses films that could only waste money, with the path and the reason of everything that is wrong."""

    def __init__(self, objects: ObjectStore, takes: TakeStore) -> None:
        self._objects = objects
        self._takes = takes

    @activity.defn
    async def check_film(self, film: FilmToCheck) -> None:
        """Look at every prompt, and at every still of which there is no take yet.

        Raises:
            InvalidRequest: something cannot be made.
        """
        request = film.request
        own, missing = await self._own_graph(request)
        wrong = missing + list(intake.complaints(request, own))
        async with beating():
            turns = asyncio.Semaphore(STILLS_AT_ONCE)
            looks = [self._look(request, place, turns) for place in await self._to_make(request)]
            wrong += [complaint for complaint in await asyncio.gather(*looks) if complaint]
        if wrong:
            more = f"\nand {len(wrong) - MOST_COMPLAINTS} more" if len(wrong) > MOST_COMPLAINTS else ""
            raise InvalidRequest("\n".join(wrong[:MOST_COMPLAINTS]) + more)

    async def _own_graph(self, request: VideoRequest) -> tuple[GraphTemplate | None, list[str]]:
        if request.graph is None or not request.graph.key.startswith(GRAPHS):
            return None, []
        try:
            return await graphs.stored(request.graph, self._objects), []
        except (MediaMissing, MediaChanged, InvalidRequest) as error:
            return None, [f"graph: {error}"]

    async def _to_make(self, request: VideoRequest) -> list[int]:
        takes = [take for take, _ in takes_of(request)]
        there = await self._takes.finished(request.channel, takes)
        return [place for place, take in enumerate(takes) if take not in there]

    async def _look(self, request: VideoRequest, place: int, turns: asyncio.Semaphore) -> str | None:
        still = request.clips[place].still
        async with turns:
            try:
                content = await self._objects.read(still)
                await asyncio.to_thread(intake.check_still, content, width=request.width, height=request.height)
            except (MediaMissing, MediaChanged, BadStill) as error:
                return f"clips.{place}.still: {error}"
        return None
