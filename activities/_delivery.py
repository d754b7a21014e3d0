"""What a delivered file that cannot be used as it is means: for its clip, and for the provider's next orders.

A broken download says nothing about the clip yet. Clips that are wrong in the same way, one after the other, say that
the next orders would be wasted, too.
"""

import structlog

from activities.gatekeeping import Slots
from studio.contracts.keeping import ClipToKeep
from studio.errors import DatabaseUnavailable, DeliveryMismatch, DownloadBroken, LinkDoubtful
from studio.store.deliveries import DeliveryStore

PROVIDER = "kling"
TRIES_PER_LINK = 2
"""Downloads of a file that is no usable video before its address is renewed."""
SAME_VIDEO_TIMES = 3
"""So many downloads with the same bytes, over two addresses, make a video that cannot be read the clip's own fault."""
SAME_OTHER_TIMES = 4
"""The same for bytes that are no video at all, such as a page: hosts say the same to everybody while they are ill."""
STREAK = 3
"""Clips in a row, wrong in the same way, that close the gate."""
_OF_PICTURE = {"black", "frozen"}
"""Faults that one video's stills or prompts may cause: they count only over two videos."""

_log = structlog.get_logger()


class Deliveries:
    """Judges what providers delivered, over all downloads, workers and videos."""

    def __init__(self, store: DeliveryStore, slots: Slots) -> None:
        self._store = store
        self._slots = slots

    async def doubt(self, clip: ClipToKeep, reason: str, sha256: str, *, is_video: bool) -> None:
        """Returns only when these bytes are what the provider has of this clip.

        Raises:
            DownloadBroken: another try may give other bytes.
            LinkDoubtful: this address had its tries.
        """
        same = await self._store.broken(clip.clip.channel, clip.task_id, sha256, link=clip.renewals, reason=reason)
        _log.warning("clip.unreadable", task_id=clip.task_id, reason=reason, times=same.times, renewals=clip.renewals)
        if same.links > 1 and same.times >= (SAME_VIDEO_TIMES if is_video else SAME_OTHER_TIMES):
            return
        if same.tries >= TRIES_PER_LINK:
            raise LinkDoubtful(reason)
        raise DownloadBroken(reason)

    async def count(self, clip: ClipToKeep, fault: str, reason: str) -> None:
        """Count a clip's fault, empty where there is none; close the gate when several in a row have the same.

        A clip that is here does not wait for a database that is away: then it is not counted.
        """
        try:
            if not fault:
                await self._store.good(PROVIDER)
                return
            video = f"{clip.clip.channel}/{clip.clip.video_id}"
            streak = await self._store.faulty(PROVIDER, fault, task_id=clip.task_id, video=video)
            if streak.clips < STREAK or (streak.videos < 2 and _OF_PICTURE & set(fault.split(", "))):
                return
            await self._store.good(PROVIDER)  # who opens the gate again has seen to it: count anew
        except DatabaseUnavailable:
            _log.warning("clip.fault_not_counted", task_id=clip.task_id, fault=fault)
            return
        if clip.gate:
            words = f"{streak.clips} clips in a row were delivered wrong in the same way: {reason}"
            await self._slots.trip(clip.gate, DeliveryMismatch(words))
