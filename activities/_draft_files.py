"""The files that a draft of a project names: are they there, and are they what they should be?"""

import asyncio
from collections.abc import Container, Iterator

from studio.contracts.base import MediaRef
from studio.contracts.project_draft import ProjectDraft
from studio.contracts.video import Provider
from studio.errors import BadStill, InvalidRequest, MediaChanged, MediaMissing
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.stills import prepared

FILES_AT_ONCE = 8
MOST_COMPLAINTS = 20
"""How many are told at once."""


async def ensure_files(draft: ProjectDraft, known: Container[MediaRef | None], objects: ObjectStore) -> None:
    """Look at all of them, but for pictures that are `known`.

    Raises:
        InvalidRequest: one is missing, no usable picture, or another channel's.
    """
    turns = asyncio.Semaphore(FILES_AT_ONCE)

    async def look(path: str, file: MediaRef) -> str:
        async with turns:
            return await _wrong(draft.channel, path, file, known, objects)

    wrong = [words for words in await asyncio.gather(*(look(*file) for file in _files(draft))) if words]
    if wrong:
        more = f"\nand {len(wrong) - MOST_COMPLAINTS} more" if len(wrong) > MOST_COMPLAINTS else ""
        raise InvalidRequest("\n".join(wrong[:MOST_COMPLAINTS]) + more)


async def _wrong(
    channel: str, path: str, file: MediaRef, known: Container[MediaRef | None], objects: ObjectStore
) -> str:
    """What is wrong with a file; of sound only whether it is there: its length is a matter of each clip."""
    if not keys.lies_in_channel(channel, file.key):
        return f"{path}: {file.key} lies outside channel {channel}"
    try:
        if path.endswith(".audio_file"):
            if await objects.size(file.key) is None:
                return f"{path}: {file.key} is not in the object store"
        elif file not in known:
            await asyncio.to_thread(prepared, await objects.read(file), Provider.COMFYUI, None)
    except (MediaMissing, MediaChanged, BadStill) as error:
        return f"{path}: {error}"
    return ""


def _files(draft: ProjectDraft) -> Iterator[tuple[str, MediaRef]]:
    """Every file a draft names, with the path of the field."""
    for place, sentence in enumerate(draft.sentences):
        for name, file in (("audio_file", sentence.audio_file), ("image_file", sentence.image_file)):
            if file is not None:
                yield f"sentences.{place}.{name}", file
    for place, character in enumerate(draft.characters):
        for number, file in enumerate(character.references):
            yield f"characters.{place}.references.{number}", file
