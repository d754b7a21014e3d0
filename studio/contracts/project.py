"""A project of sentences: each has a picture and a clip, made from what is said here.

Sentences and projects say what is wanted; `is_image_dirty` and `is_video_dirty` say what does not fit it any more.
"""

from typing import Annotated

from pydantic import Field, StringConstraints

from studio.contracts.base import Contract, Identifier, MediaRef, Sha256
from studio.contracts.clip import MOST_VARIANTS, CameraMove
from studio.contracts.render import BIGGEST_SEED, MOST_IMAGES
from studio.contracts.texts import Title

DEFAULT_WIDTH, DEFAULT_HEIGHT = 1_920, 1_088
"""16:9 in multiples of 16, as near as they come to full HD."""

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000)]
Side = Annotated[int, Field(ge=64, le=4_096, multiple_of=16)]
"""Width or height of a picture in pixels."""


class RenderChoices(Contract):
    """What somebody chose for a picture or a clip. None: the wider choice counts: sentence, project, model."""

    model_id: Identifier | None = None
    style_id: Identifier | None = None
    style: Text | None = Field(default=None, description="A style by its name; `style_id` counts before it.")
    characters: tuple[Identifier, ...] | None = Field(
        default=None, max_length=MOST_IMAGES, description="Characters whose reference pictures are shown to the model."
    )
    negative: Text | None = Field(default=None, description="What should not be there, where the graph can be told.")
    seed: int | None = Field(default=None, ge=0, le=BIGGEST_SEED, description="None: made from the sentence's name.")
    steps: int | None = Field(default=None, ge=1, le=10_000)
    cfg: float | None = Field(default=None, ge=0, le=100)
    width: Side | None = None
    height: Side | None = None
    fast: bool | None = Field(default=None, description="With the graph's few-step LoRAs, where it has them.")
    variant: int | None = Field(
        default=None, ge=1, le=MOST_VARIANTS, description="Same inputs, same take; a higher number: a further one."
    )

    def within(self, wider: "RenderChoices") -> "RenderChoices":
        """These choices; where nothing was chosen, the wider ones. A style is one choice, by id or by name."""
        chosen = self.model_dump(exclude_none=True)
        inherited = wider.model_dump(exclude_none=True)
        if "style_id" in chosen or "style" in chosen:
            inherited = {name: value for name, value in inherited.items() if name not in ("style_id", "style")}
        return RenderChoices.model_validate(inherited | chosen)


class ProjectName(Contract):
    """Which project."""

    channel: Identifier
    project_id: Identifier


class SentenceId(ProjectName):
    """Which sentence of which project."""

    sentence_id: Identifier


class Project(ProjectName):
    """A project: a script, sentence by sentence, and what counts for all of them."""

    title: Title = ""
    image: RenderChoices = Field(default=RenderChoices(), description="Choices for every picture.")
    video: RenderChoices = Field(default=RenderChoices(), description="Choices for every clip.")


class SentenceWords(Contract):
    """What a sentence says, and how that is to be seen."""

    text: Text = Field(min_length=1)
    image_prompt: Text = Field(default="", description="What the picture shows; empty: the text.")
    motion_prompt: Text = Field(default="", description="What moves in the clip; empty: the picture's prompt.")
    audio_file: MediaRef | None = Field(default=None, description="Speech: the clip becomes as long as this.")
    camera_movement: CameraMove = CameraMove.STATIC
    motion_strength: float = Field(default=0.5, ge=0, le=1, description="How far the camera moves.")
    image: RenderChoices = Field(default=RenderChoices(), description="Choices for this picture.")
    video: RenderChoices = Field(default=RenderChoices(), description="Choices for this clip.")


class SentenceDraft(SentenceWords, SentenceId):
    """What is wanted of a sentence. Storing it marks as dirty what was made from something else."""

    sentence_id: Identifier
    position: int = Field(default=0, ge=0, description="Its place in the script; sentences are listed in this order.")


class Sentence(SentenceDraft):
    """A sentence as it stands."""

    sentence_id: Identifier
    image_file: MediaRef | None = None
    video_file: MediaRef | None = None
    is_image_dirty: bool = Field(default=True, description="The picture is missing or does not fit the sentence.")
    is_video_dirty: bool = Field(default=True, description="The clip is missing or does not fit picture and sentence.")
    image_take: Sha256 | None = Field(default=None, description="What the picture was made from; none: given by hand.")
    video_take: Sha256 | None = Field(default=None, description="What the clip was made from.")
    version: int = Field(default=1, ge=1, description="Grows with every change of what picture or clip are made from.")

    @property
    def picture_words(self) -> str:
        """What the picture shows."""
        return self.image_prompt or self.text

    @property
    def motion_words(self) -> str:
        """What happens in the clip."""
        return self.motion_prompt or self.picture_words
