"""A video as a person writes it: a short YAML file and some stills beside it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from commands.video_stills import ReadyStill, StillReader, StillRefused
from commands.yaml_fields import Fields, WrittenFile, read_as
from commands.yaml_file import YamlFileInvalid, read_yaml_file
from studio import intake
from studio.contracts.aspect import Aspect, with_sides
from studio.contracts.base import Identifier, MediaRef, Usd
from studio.contracts.clip import MOST_VARIANTS, CameraMove, ClipId, ClipRequest, Fit, MotionPrompt, PromptText
from studio.contracts.model import VisualStyle
from studio.contracts.render import MOST_LORAS, Lora, LoraName, LoraPair, LoraStrength
from studio.contracts.size import too_large
from studio.contracts.texts import NotionPage
from studio.contracts.video import Even, OnUnknown, Provider, VideoRequest
from studio.graphs import Casting
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.styles import style_loras


class VideoFileInvalid(Exception):
    """The video file cannot be made. Each line of the message is a place and a reason."""


class VideoClip(Fields):
    """One clip in a video file."""

    still: str = Field(min_length=1, description="Path of a picture, from the video file's folder.")
    prompt: PromptText | MotionPrompt
    seconds: Literal[5, 10] | None = None
    fit: Fit | None = Field(default=None, description="For a still of another shape; none: as the video says.")
    camera: CameraMove | None = None
    strength: float = Field(default=0.5, ge=0, le=1)
    variant: int | None = Field(
        default=None,
        ge=1,
        le=MOST_VARIANTS,
        description="Which take of these inputs; none: the one the video has, or the first.",
    )


class VideoLora(Fields):
    """A LoRA in a video file: one file, or a pair for high and low noise, for graphs with two passes."""

    name: LoraName | None = None
    high: LoraName | None = None
    low: LoraName | None = None
    strength: LoraStrength = 1.0

    @model_validator(mode="after")
    def _one_or_a_pair(self) -> "VideoLora":
        if (self.name is None) == (self.high is None and self.low is None):
            raise ValueError("say name, or high and low")
        return self

    @property
    def lora(self) -> Lora | LoraPair:
        """As graphs are told."""
        if self.name is not None:
            return Lora(name=self.name, strength=self.strength)
        return LoraPair(high=self.high, low=self.low, strength=self.strength)


class VideoFile(WrittenFile):
    """A video file."""

    as_written: ClassVar[frozenset[str]] = frozenset({"aspect"})
    written_names: ClassVar[Mapping[str, str]] = {"film": "video"}

    video: Identifier = Field(description="The video's name, unique within its channel.")
    channel: Identifier
    title: str = Field(default="", max_length=200)
    provider: Provider = Provider.KLING
    model: str | None = Field(default=None, description="The provider's model; of comfyui: a graph, shipped or added.")
    style: str | None = Field(default=None, description="A visual style by name or id. Only for comfyui.")
    loras: Annotated[list[VideoLora], Field(max_length=MOST_LORAS - 1)] = Field(  # a style may bring one more
        default=[], description="Only for comfyui."
    )
    fast: bool = Field(default=False, description="With the graph's few-step LoRAs. Only for comfyui.")
    seconds: Literal[5, 10] = 5
    aspect: Aspect | None = Field(default=None, description="16:9, 9:16, 1:1: instead of width and height.")
    width: Even = 1_920
    height: Even = 1_080
    fit: Fit = Field(default="refuse", description="For stills of another shape: refuse, crop or pad.")
    priority: int = Field(default=3, ge=1, le=5)
    clip_deadline_seconds: int | None = Field(default=None, ge=1, le=7_200)
    budget_usd: Usd | None = Field(default=None, ge=0)
    on_unknown: OnUnknown = OnUnknown.WAIT
    notion_page: NotionPage | None = None
    clips: Annotated[list[VideoClip], Field(min_length=1, max_length=500)]

    @model_validator(mode="before")
    @classmethod
    def _sides_of_aspect(cls, values: Any) -> Any:
        if isinstance(values, dict) and "film" in values and "video" not in values:
            values = {"video" if name == "film" else name: value for name, value in values.items()}
        return with_sides(values)


def read_video_file(path: Path) -> VideoFile:
    """Parse a video file.

    Raises:
        VideoFileInvalid: no YAML, values that YAML would change in silence, or fields that are wrong or missing.
    """
    try:
        return read_as(VideoFile, read_yaml_file(path))
    except YamlFileInvalid as error:
        raise VideoFileInvalid(str(error)) from None


@dataclass(frozen=True)
class BuiltVideo:
    """A video as it would be started, and where its stills lie now."""

    request: VideoRequest
    stills: Mapping[str, ReadyStill]
    """What is to be put into the object store, by key."""
    notes: tuple[str, ...]
    """What was done to stills, each with its place in the file."""
    fixed: frozenset[int]
    """Clips whose variant stands in the file."""


def build_video(path: Path, video: VideoFile, scratch: Path, casting: Casting | None = None) -> BuiltVideo:
    """Check everything a video file says. Nothing is stored.

    Args:
        scratch: a folder for prepared stills, to be removed once they are in the object store.
        casting: what makes the clips of a video by ComfyUI; without it, what its provider has as a rule.

    Raises:
        VideoFileInvalid: something cannot be made.
    """
    stills, wrong = _stills(video, StillReader(path.parent, scratch, video.provider, video.width, video.height))
    if wrong := wrong + _only_for_comfyui(video):
        raise VideoFileInvalid(video.placed("\n".join(wrong)))
    names = _keys(video, stills)
    request = _request(video, [still.under(names[still.sha256]) for still in stills], stills, casting)
    if wrong := list(intake.complaints(request, casting.own if casting else None)):
        raise VideoFileInvalid(video.placed("\n".join(wrong)))
    if casting and casting.style:
        request = _styled(request, casting.style, casting)
    if size := too_large(request):  # a style adds to every prompt
        raise VideoFileInvalid(size)
    fixed = frozenset(place for place, clip in enumerate(video.clips, start=1) if clip.variant is not None)
    to_put = {names[still.sha256]: still for still in stills}
    return BuiltVideo(request, to_put, _notes(video, stills), fixed)


async def put_stills(video: BuiltVideo, objects: ObjectStore) -> None:
    """Bring a video's stills into the object store."""
    turns = asyncio.Semaphore(8)

    async def put(key: str, still: ReadyStill) -> None:
        async with turns:
            await objects.put(still.path, key, still.mime)

    await asyncio.gather(*(put(key, still) for key, still in video.stills.items()))


def _stills(video: VideoFile, reader: StillReader) -> tuple[list[ReadyStill], list[str]]:
    """The stills of all clips, and what is wrong with some."""
    found, wrong = [], []
    for place, clip in enumerate(video.clips):
        try:
            found.append(reader.look(clip.still, clip.fit or video.fit))
        except StillRefused as error:
            wrong.append(f"clips.{place}.still: {_printable(clip.still)}: {error}")
    return found, wrong


def _keys(video: VideoFile, stills: list[ReadyStill]) -> dict[str, str]:
    """Where each picture will lie, by its digest: under the name of the first clip that begins with it."""
    names: dict[str, str] = {}
    for number, still in enumerate(stills, start=1):
        clip = ClipId(channel=video.channel, video_id=video.video, number=number)
        names.setdefault(still.sha256, keys.still_key(clip, still.mime))
    return names


def _notes(video: VideoFile, stills: list[ReadyStill]) -> tuple[str, ...]:
    """What was done to which picture, told at the first clip that begins with it."""
    first: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for place, still in enumerate(stills):
        if still.changes:
            first.setdefault((video.clips[place].still, still.changes), []).append(place)
    lines = []
    for places in first.values():
        place, more = places[0], len(places) - 1
        others = f" (and {more} more {'clip' if more == 1 else 'clips'} with this still)" if more else ""
        said = "; ".join(stills[place].changes)
        lines.append(f"clips.{place}.still: {_printable(video.clips[place].still)}: {said}{others}")
    return tuple(video.placed("\n".join(lines)).splitlines()) if lines else ()


def _printable(name: str) -> str:
    return name if name.isprintable() else name.encode("unicode_escape").decode("ascii")


def _only_for_comfyui(video: VideoFile) -> list[str]:
    if video.provider is Provider.COMFYUI:
        return []
    said = [name for name in ("style", "loras", "fast") if getattr(video, name)]
    return [f"{name}: only a video with provider comfyui has it, this one's is {video.provider}" for name in said]


def _styled(request: VideoRequest, style: VisualStyle, casting: Casting) -> VideoRequest:
    """The video with the style's words and its LoRA as they are now: a style that changes later changes no video."""
    loras = (*request.loras, *style_loras(style))
    styled = request.model_copy(update={"prompt_prefix": style.prompt_prefix, "loras": loras})
    # The video was fine before: whatever is wrong with the LoRAs now is wrong with the style's.
    if wrong := [words.replace("loras: ", "style: ", 1) for words in intake.complaints(styled, casting.own)]:
        raise VideoFileInvalid("\n".join(wrong))
    return styled


def _request(video: VideoFile, refs: list[MediaRef], stills: list[ReadyStill], casting: Casting | None) -> VideoRequest:
    clips = [
        ClipRequest(
            number=place,
            still=ref,
            source=still.source,
            fit=clip.fit,
            prompt=clip.prompt,
            seconds=clip.seconds or video.seconds,
            camera=clip.camera,
            strength=clip.strength,
            variant=clip.variant or 1,
        )
        for place, (ref, still, clip) in enumerate(zip(refs, stills, video.clips, strict=True), start=1)
    ]
    model = casting.model.graph if casting else video.model
    given = {"model": model, "clip_deadline_seconds": video.clip_deadline_seconds, "notion_page": video.notion_page}
    return VideoRequest(
        channel=video.channel,
        video_id=video.video,
        title=video.title,
        provider=video.provider,
        graph=casting.model.graph_file if casting else None,
        loras=tuple(lora.lora for lora in video.loras),
        fast=video.fast,
        width=video.width,
        height=video.height,
        fit=video.fit,
        priority=video.priority,
        budget_usd=video.budget_usd,
        on_unknown=video.on_unknown,
        clips=clips,
        **{name: value for name, value in given.items() if value is not None},
    )
