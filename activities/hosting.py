"""A still on its way to where the provider can fetch it."""

from datetime import timedelta
from typing import Protocol

from temporalio import activity

from activities._heartbeat import beating
from activities.gatekeeping import Gates
from studio.contracts.base import MediaRef
from studio.contracts.clip import HostedStill, StillToHost
from studio.objects import keys
from studio.objects.store import ObjectStore

SIGNED_FOR = timedelta(hours=24)
"""How long a signed address holds: a clip may wait hours for its slot."""


class Uploader(Protocol):
    """A host that takes files: KIE.ai's own, catbox.moe."""

    async def host(self, content: bytes, *, name: str, mime: str) -> str:
        """Put `content` there; returns its public address."""
        ...


class StillHost(Protocol):
    """A way to make a still public for a while."""

    async def publish(self, still: MediaRef) -> str:
        """Returns the address from which the provider can fetch it."""
        ...


class UploadedStills:
    """Stills on a host that takes files. A name made from the content makes repeating harmless."""

    def __init__(self, objects: ObjectStore, uploader: Uploader) -> None:
        self._objects = objects
        self._uploader = uploader

    async def publish(self, still: MediaRef) -> str:
        content = await self._objects.read(still)
        name = f"{still.sha256[:40]}.{still.mime.rpartition('/')[2]}"
        return await self._uploader.host(content, name=name, mime=still.mime)


class SignedStills:
    """Stills in our own bucket, under signed addresses."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def publish(self, still: MediaRef) -> str:
        return await self._objects.sign(still.key, valid=SIGNED_FOR)


class HostingActivities:
    """Publishes stills. On the queue `kling`, because the default host wants the key."""

    def __init__(self, stills: StillHost, gates: Gates) -> None:
        self._stills = stills
        self._gates = gates

    @activity.defn
    async def host_image(self, still: StillToHost) -> HostedStill:
        """Put the still where the provider can fetch it, for about a day, and let its clip join the line.

        The film's workflow could do that itself; here it costs its history nothing.

        Raises:
            InvalidRequest: the still is another channel's.
        """
        keys.ensure_of_channel(still.clip.channel, still.still)
        async with beating():
            hosted = HostedStill(url=await self._stills.publish(still.still))
            await self._gates.enter(still.gate, still.ticket)
            return hosted
