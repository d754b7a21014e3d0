"""Changing a video that is there: another prompt, another take. What its clips are made from decides what stays."""

import re
from collections.abc import Container
from typing import Any

from pydantic import ValidationError

from studio import intake
from studio.contracts.base import MediaRef
from studio.contracts.clip import MOST_VARIANTS, ClipId, ClipRequest, StillSource
from studio.contracts.complaint import complaint
from studio.contracts.video import VideoRequest
from studio.errors import InvalidRequest
from studio.store.takes import TakeStore
from studio.takes import digest_of_take, parts_of, still_of

SHORTEST_NAME = 6
"""Characters of a take's digest that name it, when no other take of the channel begins with them."""


def clip_of(video: VideoRequest, number: int) -> ClipRequest:
    """One clip of a video.

    Raises:
        InvalidRequest: it has no such clip.
    """
    if not 1 <= number <= len(video.clips):
        raise InvalidRequest(f"{video.channel}/{video.video_id} has clips 1 to {len(video.clips)}, no clip {number}")
    return video.clips[number - 1]


def change_clip(
    video: VideoRequest,
    number: int,
    *,
    prompt: str | None = None,
    still: MediaRef | None = None,
    source: StillSource | None = None,
    seconds: int | None = None,
) -> VideoRequest:
    """The video with another prompt, still or length for one clip, whose choice and variant are forgotten.

    Args:
        source: what the new still was prepared from.

    Raises:
        InvalidRequest: such a video cannot be made, or it is like that already.
    """
    clip = clip_of(video, number)
    given = {"prompt": prompt, "still": still, "seconds": seconds}
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    changed = _with(video, number, changes | ({"source": source} if still else {}))
    if _inputs(changed, clip_of(changed, number)) == _inputs(video, clip):
        raise InvalidRequest(f"clips.{number - 1}: is like that already")
    return _with(changed, number, {"variant": 1, "take": None})


async def make_again(video: VideoRequest, number: int, takes: TakeStore) -> VideoRequest:
    """The video with a further take of one clip's inputs, one that nobody in the channel has asked for yet.

    Raises:
        InvalidRequest: there are too many already.
    """
    clip = clip_of(video, number)
    parts = parts_of(video, clip)
    for variant in range(2, MOST_VARIANTS + 1):
        take = digest_of_take(parts.model_copy(update={"variant": variant}))
        if variant != clip.variant and await takes.parts(video.channel, take) is None:
            return _with(video, number, {"variant": variant, "take": None})
    raise InvalidRequest(f"clips.{number - 1}.variant: there are {MOST_VARIANTS:,} takes of this already")


async def choose(video: VideoRequest, number: int, name: str, takes: TakeStore) -> VideoRequest:
    """The video with a certain take for one clip, named by the beginning of its digest.

    Raises:
        InvalidRequest: no take of the channel is called that, or several are, or it is not there yet.
    """
    clip_of(video, number)
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_NAME},64}}", name):
        raise InvalidRequest(f"{name} is no take's name: at least {SHORTEST_NAME} of the digits 0-9 and a-f")
    found = await takes.called(video.channel, name)
    if len(there := [take for take, is_there in found if is_there]) > 1:
        clip = ClipId(channel=video.channel, video_id=video.video_id, number=number)
        own = {take.take for take in await takes.of_clip(clip)}
        there = [take for take in there if take in own] or there
    match there:
        case [take]:
            return _with(video, number, {"take": take})
        case []:
            why = "is not there (yet)" if found else f"is none of channel {video.channel}"
            raise InvalidRequest(f"take {name} {why}")
        case several:
            raise InvalidRequest(f"take {name}: which one? {', '.join(several)}")


def keep_choices(
    asked: VideoRequest, before: VideoRequest | None, fixed: Container[int] = ()
) -> tuple[VideoRequest, list[int]]:
    """A video asked for anew, with the choices and variants of the clips whose inputs it had before.

    A clip is found again by its inputs, first at its own place. `fixed`: numbers of clips whose variant is meant.
    Returns the numbers of the clips that changed, too.
    """
    earlier = _pairs(asked, before) if before else {}
    clips, changed = [], []
    for clip in asked.clips:
        old = earlier.get(clip.number)
        variant = old.variant if old and clip.number not in fixed else clip.variant
        if old is None or old.variant != variant:
            changed.append(clip.number)
        else:
            clip = clip.model_copy(update={"take": old.take})
        clips.append(clip.model_copy(update={"variant": variant}))
    return asked.model_copy(update={"clips": clips}), changed


def _pairs(asked: VideoRequest, before: VideoRequest) -> dict[int, ClipRequest]:
    """Each clip that was there before, by its number in the new video."""
    inputs = {clip.number: _inputs(asked, clip) for clip in asked.clips}
    pairs = {old.number: old for old in before.clips if inputs.get(old.number) == _inputs(before, old)}
    moved: dict[str, list[ClipRequest]] = {}
    for old in before.clips:
        if old.number not in pairs:
            moved.setdefault(_inputs(before, old), []).append(old)
    for number in inputs.keys() - pairs.keys():
        if candidates := moved.get(inputs[number]):
            pairs[number] = candidates.pop(0)
    return pairs


def _inputs(video: VideoRequest, clip: ClipRequest) -> str:
    """Everything a clip is made from, whichever of its takes."""
    parts = parts_of(video, clip)
    return still_of(parts) + parts.model_dump_json(exclude={"still", "source", "fit", "variant"})


def _with(video: VideoRequest, number: int, changes: dict[str, Any]) -> VideoRequest:
    clips = [dict(clip) | (changes if clip.number == number else {}) for clip in video.clips]
    try:
        changed = VideoRequest.model_validate(dict(video) | {"clips": clips})
    except ValidationError as error:
        raise InvalidRequest(complaint(error)) from None
    if wrong := list(intake.complaints(changed)):
        raise InvalidRequest("\n".join(wrong))
    return changed
