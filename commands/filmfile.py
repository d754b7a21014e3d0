"""A film as a person writes it: a short YAML file and some stills beside it."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from commands.files_beside import FileUnreadable, read_file
from commands.yaml_fields import Fields, WrittenFile, read_as
from commands.yaml_file import YamlFileInvalid, read_yaml_file
from studio import intake
from studio.contracts.base import Identifier, MediaRef, Usd
from studio.contracts.clip import MOST_VARIANTS, CameraMove, ClipId, ClipRequest, MotionPrompt, PromptText
from studio.contracts.film import Even, OnUnknown, Provider, VideoRequest
from studio.contracts.model import VisualStyle
from studio.contracts.render import MOST_LORAS, Lora, LoraName, LoraPair, LoraStrength
from studio.contracts.size import too_large
from studio.contracts.texts import NotionPage
from studio.errors import BadStill
from studio.graphs import Casting
from studio.objects import keys
from studio.objects.store import ObjectStore
from studio.styles import style_loras


class FilmFileInvalid(Exception):
    """The film file cannot be made. Each line of the message is a place and a reason."""


class FilmClip(Fields):
    """One clip in a film file."""

    still: str = Field(min_length=1, description="Path of a PNG or JPEG picture, from the film file's folder.")
    prompt: PromptText | MotionPrompt
    seconds: Literal[5, 10] | None = None
    camera: CameraMove | None = None
    strength: float = Field(default=0.5, ge=0, le=1)
    variant: int | None = Field(
        default=None,
        ge=1,
        le=MOST_VARIANTS,
        description="Which take of these inputs; none: the one the film has, or the first.",
    )


class FilmLora(Fields):
    """A LoRA in a film file: one file, or a pair for high and low noise, for graphs with two passes."""

    name: LoraName | None = None
    high: LoraName | None = None
    low: LoraName | None = None
    strength: LoraStrength = 1.0

    @model_validator(mode="after")
    def _one_or_a_pair(self) -> "FilmLora":
        if (self.name is None) == (self.high is None and self.low is None):
            raise ValueError("say name, or high and low")
        return self

    @property
    def lora(self) -> Lora | LoraPair:
        """As graphs are told."""
        if self.name is not None:
            return Lora(name=self.name, strength=self.strength)
        return LoraPair(high=self.high, low=self.low, strength=self.strength)


class FilmFile(WrittenFile):
    """A film file."""

    film: Identifier = Field(description="The film's name, unique within its channel.")
    channel: Identifier
    title: str = Field(default="", max_length=200)
    provider: Provider = Provider.KLING
    model: str | None = Field(default=None, description="The provider's model; of comfyui: a graph, shipped or added.")
    style: str | None = Field(default=None, description="A visual style by name or id. Only for comfyui.")
    loras: Annotated[list[FilmLora], Field(max_length=MOST_LORAS - 1)] = Field(  # a style may bring one more
        default=[], description="Only for comfyui."
    )
    fast: bool = Field(default=False, description="With the graph's few-step LoRAs. Only for comfyui.")
    seconds: Literal[5, 10] = 5
    width: Even = 1_920
    height: Even = 1_080
    priority: int = Field(default=3, ge=1, le=5)
    clip_deadline_seconds: int | None = Field(default=None, ge=1, le=7_200)
    budget_usd: Usd | None = Field(default=None, ge=0)
    on_unknown: OnUnknown = OnUnknown.WAIT
    notion_page: NotionPage | None = None
    clips: Annotated[list[FilmClip], Field(min_length=1, max_length=500)]


def read_film_file(path: Path) -> FilmFile:
    """Parse a film file.

    Raises:
        FilmFileInvalid: no YAML, values that YAML would change in silence, or fields that are wrong or missing.
    """
    try:
        return read_as(FilmFile, read_yaml_file(path))
    except YamlFileInvalid as error:
        raise FilmFileInvalid(str(error)) from None


@dataclass(frozen=True)
class BuiltFilm:
    """A film as it would be started, and where its stills lie now."""

    request: VideoRequest
    stills: tuple[Path, ...]
    fixed: frozenset[int]
    """Clips whose variant stands in the file."""


def build_film(path: Path, film: FilmFile, casting: Casting | None = None) -> BuiltFilm:
    """Check everything a film file says. Nothing is stored.

    `casting`: what makes the clips of a film by ComfyUI; without it, what its provider has as a rule.

    Raises:
        FilmFileInvalid: something cannot be made.
    """
    folder = path.parent
    stills = [_still(film, place, folder) for place in range(len(film.clips))]
    wrong = [words for _, words in stills if words] + _only_for_comfyui(film)
    if wrong:
        raise FilmFileInvalid(film.placed("\n".join(wrong)))
    request = _request(film, [ref for ref, _ in stills if ref is not None], casting)
    if wrong := list(intake.complaints(request, casting.own if casting else None)):
        raise FilmFileInvalid(film.placed("\n".join(wrong)))
    if casting and casting.style:
        request = _styled(request, casting.style, casting)
    if size := too_large(request):  # a style adds to every prompt
        raise FilmFileInvalid(size)
    fixed = frozenset(place for place, clip in enumerate(film.clips, start=1) if clip.variant is not None)
    return BuiltFilm(request, tuple(folder / clip.still for clip in film.clips), fixed)


async def put_stills(film: BuiltFilm, objects: ObjectStore) -> None:
    """Bring a film's stills into the object store."""
    turns = asyncio.Semaphore(8)

    async def put(clip: ClipRequest, path: Path) -> None:
        async with turns:
            await objects.put(path, clip.still.key, clip.still.mime)

    await asyncio.gather(*map(put, film.request.clips, film.stills))


def _still(film: FilmFile, place: int, folder: Path) -> tuple[MediaRef | None, str]:
    """A still as a reference, or what is wrong with it."""
    name = film.clips[place].still
    shown = name.encode("unicode_escape").decode("ascii") if not name.isprintable() else name
    try:
        content = read_file(folder, name)
        mime = intake.check_still(content, width=film.width, height=film.height)
    except (FileUnreadable, BadStill) as error:
        return None, f"clips.{place}.still: {shown}: {error}"
    clip = ClipId(channel=film.channel, video_id=film.film, number=place + 1)
    return MediaRef(
        key=keys.still_key(clip, mime), sha256=hashlib.sha256(content).hexdigest(), mime=mime, size=len(content)
    ), ""


def _only_for_comfyui(film: FilmFile) -> list[str]:
    if film.provider is Provider.COMFYUI:
        return []
    said = [name for name in ("style", "loras", "fast") if getattr(film, name)]
    return [f"{name}: only a film with provider comfyui has it, this one's is {film.provider}" for name in said]


def _styled(request: VideoRequest, style: VisualStyle, casting: Casting) -> VideoRequest:
    """The film with the style's words and its LoRA as they are now: a style that changes later changes no film."""
    loras = (*request.loras, *style_loras(style))
    styled = request.model_copy(update={"prompt_prefix": style.prompt_prefix, "loras": loras})
    # The film was fine before: whatever is wrong with the LoRAs now is wrong with the style's.
    if wrong := [words.replace("loras: ", "style: ", 1) for words in intake.complaints(styled, casting.own)]:
        raise FilmFileInvalid("\n".join(wrong))
    return styled


def _request(film: FilmFile, stills: list[MediaRef], casting: Casting | None) -> VideoRequest:
    clips = [
        ClipRequest(
            number=place,
            still=still,
            prompt=clip.prompt,
            seconds=clip.seconds or film.seconds,
            camera=clip.camera,
            strength=clip.strength,
            variant=clip.variant or 1,
        )
        for place, (still, clip) in enumerate(zip(stills, film.clips, strict=True), start=1)
    ]
    model = casting.model.graph if casting else film.model
    given = {"model": model, "clip_deadline_seconds": film.clip_deadline_seconds, "notion_page": film.notion_page}
    return VideoRequest(
        channel=film.channel,
        video_id=film.film,
        title=film.title,
        provider=film.provider,
        graph=casting.model.graph_file if casting else None,
        loras=tuple(lora.lora for lora in film.loras),
        fast=film.fast,
        width=film.width,
        height=film.height,
        priority=film.priority,
        budget_usd=film.budget_usd,
        on_unknown=film.on_unknown,
        clips=clips,
        **{name: value for name, value in given.items() if value is not None},
    )
