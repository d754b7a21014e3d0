"""A still on its way to where the provider can fetch it."""

from datetime import datetime, timedelta
from typing import Protocol

from temporalio import activity

from activities._heartbeat import beating
from activities._stills import PreparedStills, WantedStill
from activities.gatekeeping import Gates
from studio.contracts.clip import ClipSubmission, HostedStill, StillToHost
from studio.contracts.video import Provider
from studio.objects import keys
from studio.objects.store import ObjectStore

SIGNED_FOR = timedelta(hours=6)
"""How long a signed address holds: it is made as the order leaves, and the provider fetches within minutes."""


class Uploader(Protocol):
    """A host that takes files: KIE.ai's own, catbox.moe."""

    async def host(self, content: bytes, *, name: str, mime: str) -> str:
        """Put `content` there; returns its public address."""
        ...


RENEWED_AFTER = timedelta(hours=20)
"""Age at which an upload is repeated before an order: hosts keep a file for about a day."""


def wanted(clip: StillToHost | ClipSubmission) -> WantedStill:
    """The still of a clip that is ordered at Kling."""
    return WantedStill(clip.clip.channel, clip.still, Provider.KLING, clip.framing)


class StillHost(Protocol):
    """A way to make a still public for a while. What becomes public is the prepared picture, never the file itself."""

    async def publish(self, still: WantedStill) -> str | None:
        """Put it where the provider can fetch it; returns its address, None when that is signed for each order.

        Raises:
            BadStill: the provider does not take it.
        """
        ...

    async def address(self, still: WantedStill, hosted: HostedStill, *, now: datetime) -> str:
        """The address for an order that leaves now, good for longer than the provider needs."""
        ...


class UploadedStills:
    """Stills on a host that takes files. A name made from the content makes repeating harmless."""

    def __init__(self, stills: PreparedStills, uploader: Uploader) -> None:
        self._stills = stills
        self._uploader = uploader

    async def publish(self, still: WantedStill) -> str:
        picture, content = await self._stills.read(still)
        name = f"{picture.sha256[:40]}.{picture.mime.rpartition('/')[2]}"
        return await self._uploader.host(content, name=name, mime=picture.mime)

    async def address(self, still: WantedStill, hosted: HostedStill, *, now: datetime) -> str:
        """Uploaded again when the first upload may be gone."""
        if hosted.url is None or now - hosted.since > RENEWED_AFTER:
            return await self.publish(still)
        return hosted.url


class SignedStills:
    """Stills in our own bucket, under signed addresses."""

    def __init__(self, stills: PreparedStills, objects: ObjectStore) -> None:
        self._stills = stills
        self._objects = objects

    async def publish(self, still: WantedStill) -> None:
        """Have the prepared picture in the bucket."""
        await self._stills.of(still)

    async def address(self, still: WantedStill, hosted: HostedStill, *, now: datetime) -> str:
        """Signed anew for every order."""
        return await self._objects.sign((await self._stills.of(still)).key, valid=SIGNED_FOR)


class HostingActivities:
    """Publishes stills. On the queue `kling`, because the default host wants the key."""

    def __init__(self, stills: StillHost, gates: Gates, *, ask_again: timedelta) -> None:
        self._stills = stills
        self._gates = gates
        self._ask_again = ask_again

    @activity.defn
    async def host_image(self, still: StillToHost) -> HostedStill:
        """Put the still where the provider can fetch it, for about a day, and let its clip join the line.

        The video's workflow could do that itself; here it costs its history nothing.

        Raises:
            InvalidRequest: the still is another channel's.
            BadStill: the provider does not take it.
        """
        keys.ensure_of_channel(still.clip.channel, still.still)
        async with beating():
            url, since = await self._stills.publish(wanted(still)), activity.info().started_time
            await self._gates.enter(still.gate, still.ticket)
            return HostedStill(url=url, since=since, ask_again_seconds=self._ask_again.total_seconds())
