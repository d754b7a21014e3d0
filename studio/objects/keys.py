"""Object keys: the one place that makes them. Every key of a video or project lies under its channel."""

from collections.abc import Iterable, Iterator

from studio.contracts.base import Contract, MediaRef
from studio.contracts.clip import ClipId
from studio.contracts.project import SentenceId
from studio.errors import InvalidRequest

_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg"}

GRAPHS = "graphs/"
"""Users' own ComfyUI graphs lie below this: they are for all channels."""


def channel_prefix(channel: str) -> str:
    """Everything of one channel lies below this; nothing of another channel does."""
    return f"channels/{channel}/"


def video_prefix(channel: str, video_id: str) -> str:
    """Everything of one video lies below this."""
    return f"{channel_prefix(channel)}videos/{video_id}"


def project_prefix(channel: str, project_id: str) -> str:
    """Everything of one project lies below this."""
    return f"{channel_prefix(channel)}projects/{project_id}"


def lies_in_channel(channel: str, key: str) -> bool:
    """Whether a file of this key may be read for this channel."""
    return key.startswith(channel_prefix(channel))


def ensure_of_channel(channel: str, *values: Contract | Iterable[Contract] | None, field: str = "") -> None:
    """Every activity that reads or records files for a channel asks this before it touches them.

    Args:
        values: files, or contracts that name files anywhere inside. Users' own graphs are for all channels.
        field: what the files are, for the message.

    Raises:
        InvalidRequest: one of the files lies outside the channel.
    """
    for file in _files(values):
        if not lies_in_channel(channel, file.key) and not file.key.startswith(GRAPHS):
            raise InvalidRequest(f"{field}{': ' if field else ''}{file.key} lies outside channel {channel}")


def _files(value: object) -> Iterator[MediaRef]:
    if isinstance(value, MediaRef):
        yield value
    elif isinstance(value, Contract):
        for name in type(value).model_fields:
            yield from _files(getattr(value, name))
    elif isinstance(value, dict):
        yield from _files(value.values())
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for one in value:
            yield from _files(one)


def still_key(clip: ClipId, mime: str) -> str:
    """A clip's still: `…/stills/clip_07.png`.

    Raises:
        InvalidRequest: no PNG or JPEG.
    """
    if mime not in _EXTENSIONS:
        raise InvalidRequest(f"a still is a PNG or JPEG picture, not {mime}")
    return f"{video_prefix(clip.channel, clip.video_id)}/stills/{clip.name}.{_EXTENSIONS[mime]}"


def new_still_key(clip: ClipId, mime: str, sha256: str) -> str:
    """A still that takes another's place: `…/stills/clip_07_3f2a9c41d07b.png`. The older one stays what it was."""
    base, _, extension = still_key(clip, mime).rpartition(".")
    return f"{base}_{sha256[:12]}.{extension}"


def prepared_still_key(channel: str, recipe: str, mime: str) -> str:
    """A still as an engine gets it, named by what it was made from: `…/stills/3f2a….png`. It is never replaced."""
    return f"{channel_prefix(channel)}stills/{recipe[:40]}.{_EXTENSIONS[mime]}"


def take_key(channel: str, take: str) -> str:
    """A take's file. It is never overwritten by another one; videos of the channel share it."""
    return f"{channel_prefix(channel)}takes/{take}.mp4"


def picture_key(channel: str, take: str) -> str:
    """A small picture of a take."""
    return f"{channel_prefix(channel)}takes/{take}.jpg"


def clip_key(clip: ClipId) -> str:
    """The take a video uses for a clip, under the clip's name: `…/clips/clip_07.mp4`."""
    return f"{video_prefix(clip.channel, clip.video_id)}/clips/{clip.name}.mp4"


def rejected_key(clip: ClipId, task_id: str) -> str:
    """A file the provider delivered and we refused, kept for a person to look at."""
    safe = "".join(c if (c.isascii() and c.isalnum()) or c in "-_" else "-" for c in task_id)[:80]
    return f"{video_prefix(clip.channel, clip.video_id)}/rejected/{clip.name}_{safe}.mp4"


def damaged_key(channel: str, take: str, sha256: str) -> str:
    """A take's file that was changed or damaged after it was stored, kept for a person to look at."""
    return f"{channel_prefix(channel)}damaged/{take[:40]}_{sha256[:16]}.mp4"


def video_key(channel: str, video_id: str) -> str:
    """The joined video."""
    return f"{video_prefix(channel, video_id)}/{video_id}.mp4"


def sheet_key(channel: str, video_id: str) -> str:
    """The contact sheet."""
    return f"{video_prefix(channel, video_id)}/{video_id}_sheet.png"


def image_key(sentence: SentenceId) -> str:
    """The picture a project uses for a sentence: `…/images/{sentence}.png`."""
    return f"{project_prefix(sentence.channel, sentence.project_id)}/images/{sentence.sentence_id}.png"


def sentence_clip_key(sentence: SentenceId) -> str:
    """The clip a project uses for a sentence: `…/clips/{sentence}.mp4`."""
    return f"{project_prefix(sentence.channel, sentence.project_id)}/clips/{sentence.sentence_id}.mp4"


def brought_key(sentence: SentenceId, sha256: str, extension: str) -> str:
    """A file somebody brings for a sentence: `…/brought/s1_3f2a9c41d07be815.png`. It stays what it is."""
    prefix = project_prefix(sentence.channel, sentence.project_id)
    return f"{prefix}/brought/{sentence.sentence_id}_{sha256[:16]}.{extension}"


def reference_key(channel: str, character_id: str, sha256: str, extension: str) -> str:
    """A reference picture of a character. It stays what it is."""
    return f"{channel_prefix(channel)}characters/{character_id}_{sha256[:12]}.{extension}"


def image_take_key(channel: str, take: str) -> str:
    """A picture as it was made. It is never overwritten by another one; a clip's is `take_key`."""
    return f"{channel_prefix(channel)}takes/{take}.png"


def preview_key(channel: str, take: str) -> str:
    """The newest preview of a take that is being made: each one replaces the one before."""
    return f"{channel_prefix(channel)}previews/{take}.jpg"


def graph_key(name: str, sha256: str) -> str:
    """A user's own graph: `graphs/my_graph/3f2a9c41d07be815.json`. An older one of this name stays what it was."""
    return f"{GRAPHS}{name}/{sha256[:16]}.json"
