"""Stills as engines get them: prepared once, and kept in the object store."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from activities._scratch import scratch
from studio.contracts.base import MediaRef
from studio.contracts.clip import Framing
from studio.contracts.video import Provider
from studio.digest import digest_of
from studio.media.still import STILL_VERSION, PreparedStill
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.stills import STILL_RULES, prepared

MOST_REMEMBERED = 2_000
"""Stills of which a worker knows what became of them: a few long videos."""
AT_ONCE = 4
"""Pictures that are decoded at the same time: each may take 200 MB."""


@dataclass(frozen=True)
class WantedStill:
    """A still, and what it is wanted for."""

    channel: str
    still: MediaRef
    provider: Provider
    framing: Framing | None = None
    """None: any shape."""

    @property
    def recipe(self) -> str:
        """The digest of everything that the prepared picture depends on."""
        rules, shape = STILL_RULES[self.provider], self.framing
        return digest_of(
            STILL_VERSION,
            {
                "file": self.still.sha256,
                "least": rules.least,
                "aspect": rules.aspect,
                "most_bytes": rules.most_bytes,
                "width": shape.width if shape else None,
                "height": shape.height if shape else None,
                "fit": shape.fit if shape else None,
            },
        )


@dataclass
class _Turn:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class PreparedStills:
    """Prepares stills. What was prepared before, by whichever worker, is found in the object store."""

    def __init__(self, objects: ObjectStore, *, work_dir: Path) -> None:
        self._objects = objects
        self._work_dir = work_dir
        self._known: OrderedDict[tuple[str, str], MediaRef] = OrderedDict()
        self._turns: dict[tuple[str, str], _Turn] = {}
        self._decoding = asyncio.Semaphore(AT_ONCE)

    async def of(self, wanted: WantedStill) -> MediaRef:
        """The prepared picture in the object store: PNG or JPEG. A still that needs nothing is that itself.

        Raises:
            BadStill: the engine does not take it.
            MediaMissing, MediaChanged: the still is not what was referred to.
            InvalidRequest: it is too large to be a still.
            ObjectStoreUnavailable: the store does not answer.
        """
        name = (wanted.channel, wanted.recipe)
        turn = self._turns.setdefault(name, _Turn())
        turn.users += 1
        try:
            async with turn.lock:
                if (known := self._known.get(name)) is None or await self._objects.size(known.key) != known.size:
                    known = await self._stored(wanted) or await self._made(wanted)
                self._remember(name, known)
                return known.model_copy(update={"key": wanted.still.key}) if _same(known, wanted.still) else known
        finally:
            turn.users -= 1
            if not turn.users:
                del self._turns[name]

    async def read(self, wanted: WantedStill) -> tuple[MediaRef, bytes]:
        """The same, with its bytes."""
        ref = await self.of(wanted)
        return ref, await self._objects.read(ref)

    async def _stored(self, wanted: WantedStill) -> MediaRef | None:
        for mime in ("image/png", "image/jpeg"):
            found = await self._objects.refer(keys.prepared_still_key(wanted.channel, wanted.recipe, mime), mime)
            if found is not None:
                return found
        return None

    async def _made(self, wanted: WantedStill) -> MediaRef:
        async with self._decoding:
            content = await self._objects.read(wanted.still)
            still = await asyncio.to_thread(prepared, content, wanted.provider, wanted.framing)
            if still.content == content:
                return wanted.still.model_copy(update={"mime": still.mime, "size": len(content)})
            return await self._put(wanted, still)

    async def _put(self, wanted: WantedStill, still: PreparedStill) -> MediaRef:
        key = keys.prepared_still_key(wanted.channel, wanted.recipe, still.mime)
        with scratch(self._work_dir) as folder:
            path = folder / "still"
            await asyncio.to_thread(path.write_bytes, still.content)
            return await self._objects.put_new(path, key, still.mime)

    def _remember(self, name: tuple[str, str], ref: MediaRef) -> None:
        self._known[name] = ref
        self._known.move_to_end(name)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)


def _same(known: MediaRef, still: MediaRef) -> bool:
    """Whether the still needed nothing; equal bytes may lie under other keys of the channel."""
    return known.sha256 == still.sha256
