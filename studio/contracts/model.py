"""What pictures and clips are made with: generation models, visual styles, characters."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from studio.contracts.base import Contract, Identifier, MediaRef
from studio.contracts.render import MOST_IMAGES, LoraName, LoraStrength, PromptPrefix
from studio.contracts.texts import readable

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), AfterValidator(readable)]

GraphName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
"""A ComfyUI graph, ours or one that was added: the name it is loaded by, a file name without its ending."""


class ModelCategory(StrEnum):
    """What comes out."""

    IMAGE = "image"
    VIDEO = "video"


class ModelType(StrEnum):
    """What goes in and what comes out."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    IMAGE_TO_VIDEO = "image-to-video"

    @property
    def category(self) -> ModelCategory:
        return ModelCategory.VIDEO if self is ModelType.IMAGE_TO_VIDEO else ModelCategory.IMAGE


class StyleType(StrEnum):
    """How a style reaches the picture."""

    PROMPT = "prompt"
    """By words alone."""
    LORA = "lora"
    """By a LoRA, and by words if it has any."""


class GenerationModel(Contract):
    """A ComfyUI graph with its defaults, under a name people choose from."""

    id: Identifier
    name: Name
    category: ModelCategory
    type: ModelType
    graph: GraphName
    graph_file: MediaRef | None = Field(default=None, description="A user's own graph as it was added; none: shipped.")
    default_steps: int | None = Field(default=None, ge=1, le=10_000, description="None: as the graph has it.")
    default_cfg: float | None = Field(default=None, ge=0, le=100, description="None: as the graph has it.")
    active: bool = Field(default=True, description="Offered; one that is not stays for what was made with it.")

    @model_validator(mode="after")
    def _of_its_category(self) -> "GenerationModel":
        if self.type.category is not self.category:
            raise ValueError(f"a model of the type {self.type} makes {self.type.category}, not {self.category}")
        return self


class VisualStyle(Contract):
    """A look, laid over whatever a picture shows."""

    id: Identifier
    name: Name = Field(description="No two styles share one, whether written in capitals or not.")
    type: StyleType
    prompt_prefix: PromptPrefix = Field(default="", description="Said before the prompt.")
    lora_file: LoraName | None = None
    lora_strength: LoraStrength = 1.0
    compatible_models: tuple[Identifier, ...] = Field(default=(), description="Models it works with; none: with any.")
    requires_character_reference: bool = False
    active: bool = True

    @model_validator(mode="after")
    def _says_how(self) -> "VisualStyle":
        if self.type is StyleType.LORA and self.lora_file is None:
            raise ValueError("a LoRA style needs lora_file")
        if self.type is StyleType.PROMPT and not self.prompt_prefix:
            raise ValueError("a prompt style needs prompt_prefix")
        if self.type is StyleType.PROMPT and self.lora_file is not None:
            raise ValueError("a prompt style has no lora_file: its type is lora")
        return self


class Character(Contract):
    """Somebody who has to look the same in every picture."""

    channel: Identifier
    character_id: Identifier
    name: Name
    references: tuple[MediaRef, ...] = Field(
        default=(), max_length=MOST_IMAGES, description="Pictures, the best one first."
    )
