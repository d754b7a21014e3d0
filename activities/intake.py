"""Looking at a video before anything is spent on it."""

import asyncio

from temporalio import activity

from activities._heartbeat import beating
from activities._stills import PreparedStills, WantedStill
from comfy_workflows.graph import GraphTemplate
from studio import graphs, intake
from studio.contracts.video import VideoRequest, VideoToCheck
from studio.errors import BadStill, InvalidRequest, MediaChanged, MediaMissing
from studio.objects.keys import GRAPHS, lies_in_channel
from studio.objects.store import ObjectStore
from studio.store.takes import TakeStore
from studio.takes import takes_of

MOST_COMPLAINTS = 20
"""How many are told at once; a video of 500 clips with one mistake needs no list of 500."""


class IntakeActivities:
    """Refuses videos that could only waste money, with the path and the reason of everything that is wrong."""

    def __init__(self, objects: ObjectStore, takes: TakeStore, stills: PreparedStills) -> None:
        self._objects = objects
        self._stills = stills
        self._takes = takes

    @activity.defn
    async def check_video(self, video: VideoToCheck) -> None:
        """Look at every prompt, and at every still of which there is no take yet. Stills are prepared here, so that
        the steps that make the clips find them.

        Raises:
            InvalidRequest: something cannot be made.
        """
        request = video.request
        own, missing = await self._own_graph(request)
        wrong = missing + list(intake.complaints(request, own))
        async with beating():
            wrong += await self._about_stills(request)
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

    async def _about_stills(self, request: VideoRequest) -> list[str]:
        """What is wrong with them. A still that several clips begin with is looked at once."""
        clips = [request.clips[place] for place in await self._to_make(request)]
        wanted = {
            clip.number: WantedStill(request.channel, clip.still, request.provider, request.framing(clip))
            for clip in clips
            if lies_in_channel(request.channel, clip.still.key)  # the others are refused already
        }
        different = {(one.still.key, one.recipe): one for one in wanted.values()}
        answers = await asyncio.gather(*map(self._look, different.values()))
        why = dict(zip(different, answers, strict=True))
        return [
            f"clips.{number - 1}.still: {one.still.key.rpartition('/')[2]}: {reason}"
            for number, one in wanted.items()
            if (reason := why[one.still.key, one.recipe])
        ]

    async def _look(self, still: WantedStill) -> str:
        try:
            await self._stills.of(still)
        except (MediaMissing, MediaChanged, BadStill, InvalidRequest) as error:
            return str(error)
        return ""
