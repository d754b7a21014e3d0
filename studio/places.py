"""The places where people look for a sentence's picture and clip, and what lies there.

What lasts is the file of a take, or a file that somebody brought, each under a key that is never overwritten. The
place has a copy of what the sentence has. Copies may pass each other, so whoever copied too late puts it right.
"""

from studio.contracts.base import MediaRef
from studio.contracts.model import ModelCategory
from studio.contracts.project import Sentence, SentenceId
from studio.errors import InvalidRequest, MediaMissing
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.store.projects import ProjectStore

ENDINGS = {"image/png": "png", "image/jpeg": "jpg", "video/mp4": "mp4"}
"""What a person may bring, and how its file ends."""


class Places:
    """Keeps the places as the sentences have it."""

    def __init__(self, projects: ProjectStore, objects: ObjectStore) -> None:
        self._projects = projects
        self._objects = objects

    async def look(self, sentence: Sentence, category: ModelCategory) -> MediaRef | None:
        """The file the sentence has, which lies at its place. None: it has none, or has lost it and is dirty now."""
        file, lasting = _file(sentence, category), lasting_file(sentence, category)
        if file is None or lasting is None:
            return None
        if not await lies(lasting, self._objects):
            await self._projects.lose(sentence, category, file)
            return None
        if not await lies(file.model_copy(update={"key": place_of(sentence, category)}), self._objects):
            await self.settle(sentence, category)
        return file

    async def settle(self, sentence: SentenceId, category: ModelCategory) -> None:
        """Have at the place what the sentence has, also when it gets something else meanwhile."""
        copied = None
        while (lasting := await self._lasting(sentence, category)) != copied and lasting is not None:
            try:
                await self._objects.copy(lasting.key, place_of(sentence, category))
            except MediaMissing:  # lost: whoever looks for it will say so
                return
            copied = lasting

    async def hold(self, sentence: SentenceId, file: MediaRef) -> MediaRef:
        """A picture or clip that a person brings, where it stays what it is, wherever it lies.

        Raises:
            InvalidRequest: no PNG, JPEG or MP4.
            MediaMissing: there is no such file.
        """
        if file.mime not in ENDINGS:
            raise InvalidRequest(f"a sentence has PNG or JPEG pictures and MP4 clips, not {file.mime}")
        key = keys.brought_key(sentence, file.sha256, ENDINGS[file.mime])
        if key != file.key:
            await self._objects.copy(file.key, key)
        return file.model_copy(update={"key": key})

    async def bring(self, sentence: SentenceId, category: ModelCategory, file: MediaRef) -> bool:
        """A person brings a picture or clip: it fits, whatever is being made just now. False: no such sentence.

        Raises:
            InvalidRequest, MediaMissing: as `hold`.
        """
        kept = await self.hold(sentence, file)
        image = category is ModelCategory.IMAGE
        if not await (self._projects.give_image if image else self._projects.give_video)(sentence, kept):
            return False
        await self.settle(sentence, category)
        return True

    async def _lasting(self, sentence: SentenceId, category: ModelCategory) -> MediaRef | None:
        found = await self._projects.sentence(sentence)
        return None if found is None else lasting_file(found, category)


def place_of(sentence: SentenceId, category: ModelCategory) -> str:
    """The key under which people look for it."""
    return keys.image_key(sentence) if category is ModelCategory.IMAGE else keys.sentence_clip_key(sentence)


def lasting_file(sentence: Sentence, category: ModelCategory) -> MediaRef | None:
    """The sentence's file where it stays what it is: at its place another one may follow."""
    file = _file(sentence, category)
    if category is ModelCategory.IMAGE:
        key = keys.image_take_key(sentence.channel, sentence.image_take) if sentence.image_take else None
    else:
        key = keys.take_key(sentence.channel, sentence.video_take) if sentence.video_take else None
    # One that somebody brought lies under its content already.
    return file if file is None or key is None else file.model_copy(update={"key": key})


async def lies(file: MediaRef, objects: ObjectStore) -> bool:
    """Whether it is in the store, by its length."""
    size = await objects.size(file.key)
    return size is not None and file.size in (0, size)


def _file(sentence: Sentence, category: ModelCategory) -> MediaRef | None:
    return sentence.image_file if category is ModelCategory.IMAGE else sentence.video_file
