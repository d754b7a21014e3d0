"""A project as somebody writes it, what became of it, and how it compares with what would be made today."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from studio.contracts.base import Contract, Identifier, MediaRef
from studio.contracts.model import Name
from studio.contracts.project import Project, ProjectName, SentenceWords
from studio.contracts.render import MOST_IMAGES
from studio.contracts.sentence import MOST_SENTENCES

MOST_CHARACTERS = 100
LARGEST_DRAFT = 1_900_000
"""Bytes; a payload of Temporal's has 2 MiB at most."""
LONGEST_OBSTACLE = 300
"""Characters of a reason why something cannot be made."""


class DraftedCharacter(Contract):
    """A character of the channel's: added, or changed when there is one of this id."""

    character_id: Identifier
    name: Name
    references: tuple[MediaRef, ...] = Field(
        default=(), max_length=MOST_IMAGES, description="Pictures, the best one first; they replace all others."
    )


class DraftedSentence(SentenceWords):
    """A sentence: added, or changed when there is one of this id."""

    sentence_id: Identifier
    position: int | None = Field(
        default=None,
        ge=0,
        description="None: as in a complete list; else where it is, and a new one at the end.",
    )
    image_file: MediaRef | None = Field(
        default=None, description="A picture brought by hand: the sentence has it, and none is made."
    )

    @model_serializer(mode="wrap")
    def _as_it_was_said(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what nobody said: what came in as one payload has to go on as one."""
        fields = type(self).model_fields
        said = {name: value for name, value in dump(self).items() if getattr(self, name) != fields[name].default}
        return {name: _without_none(value) for name, value in said.items()}


class ProjectDraft(Project):
    """A project to write down, all of it or a part. Whatever changes marks what does not fit any more."""

    sentences: Annotated[tuple[DraftedSentence, ...], Field(max_length=MOST_SENTENCES)] = ()
    characters: Annotated[tuple[DraftedCharacter, ...], Field(max_length=MOST_CHARACTERS)] = ()
    complete: bool = Field(
        default=False, description="These are all its sentences, in order: any other one is taken out."
    )

    @model_validator(mode="after")
    def _can_be_written(self) -> "ProjectDraft":
        if twice := _twice(one.sentence_id for one in self.sentences):
            raise ValueError(f"sentences: {', '.join(twice)} is there twice")
        if twice := _twice(one.character_id for one in self.characters):
            raise ValueError(f"characters: {', '.join(twice)} is there twice")
        if (size := len(self.model_dump_json())) > LARGEST_DRAFT:
            raise ValueError(f"{size:,} bytes; {LARGEST_DRAFT:,} are possible at once - write it in parts")
        return self


class WrittenProject(ProjectName):
    """What a project is after it was written: what is to be made now."""

    sentences: int = Field(description="How many it has.")
    removed: tuple[Identifier, ...] = Field(default=(), description="Sentences that were taken out.")
    dirty_images: tuple[Identifier, ...] = Field(default=(), description="Sentences whose picture is missing or stale.")
    dirty_videos: tuple[Identifier, ...] = Field(default=(), description="Sentences whose clip is missing or stale.")


class ReviewedSentence(Contract):
    """A sentence's picture and clip, compared with what would be made today."""

    sentence_id: Identifier
    is_image_dirty: bool
    is_video_dirty: bool
    image_obstacle: str = Field(default="", description="Why a picture cannot be made; empty: it can.")
    video_obstacle: str = Field(default="", description="Why a clip cannot be made.")


class ProjectReview(ProjectName):
    """A project, compared with what would be made today."""

    sentences: tuple[ReviewedSentence, ...]


def _twice(ids: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return sorted({one for one in ids if one in seen or seen.add(one)})  # type: ignore[func-returns-value]


def _without_none(value: Any) -> Any:
    return {name: one for name, one in value.items() if one is not None} if isinstance(value, dict) else value
