"""What a ComfyUI graph is asked to render, in words that hold for every graph."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from studio.contracts.base import Contract, MediaRef
from studio.contracts.clip import CameraMove
from studio.contracts.texts import readable, without_controls

MOST_IMAGES = 10
"""Start pictures or character references in one order."""

MOST_LORAS = 20
"""LoRAs, or pairs of them, in one order."""

BIGGEST_SEED = 2**63 - 1
"""Half of what a sampler takes: it still fits into a bigint column."""

LoraName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300), AfterValidator(readable)
]
"""A LoRA file as the server lists it: below `models/loras`, subfolder included."""

LoraStrength = Annotated[float, Field(ge=0, le=2)]
GraphPrompt = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20_000), AfterValidator(without_controls)
]

PromptPrefix = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=2_000), AfterValidator(without_controls)
]
"""The words of a style: with the longest motion prompt behind them they are still a `GraphPrompt`."""


class Lora(Contract):
    """A LoRA for a graph with one model."""

    name: LoraName
    strength: LoraStrength = 1.0


class LoraPair(Contract):
    """A LoRA for a graph with two passes: a file for high noise, one for low noise, or only one of them."""

    high: LoraName | None = None
    low: LoraName | None = None
    strength: LoraStrength = 1.0

    @model_validator(mode="after")
    def _has_a_side(self) -> "LoraPair":
        if self.high is None and self.low is None:
            raise ValueError("a LoRA pair needs a file for high noise, for low noise, or both")
        return self


class GraphParameters(Contract):
    """What to render. Where nothing is said, the graph's own default counts."""

    prompt: GraphPrompt
    negative: str | None = Field(default=None, max_length=20_000, description="What must not be seen.")
    width: int | None = Field(default=None, ge=16, le=16_384, description="Pixels.")
    height: int | None = Field(default=None, ge=16, le=16_384, description="Pixels.")
    seconds: float | None = Field(default=None, gt=0, le=600, description="Length of a clip; or say its frames.")
    frames: int | None = Field(default=None, ge=1, le=16_384, description="Length of a clip; or say its seconds.")
    fps: float | None = Field(default=None, ge=1, le=120, description="Frames per second of a clip.")
    seed: int = Field(ge=0, le=BIGGEST_SEED)
    steps: int | None = Field(default=None, ge=1, le=10_000, description="Sampling steps over all passes.")
    cfg: float | None = Field(default=None, ge=0, le=100, description="How strictly the prompt is followed.")
    camera: CameraMove | None = None
    strength: float = Field(default=0.5, ge=0, le=1, description="How far the camera moves.")
    images: Annotated[tuple[MediaRef, ...], Field(max_length=MOST_IMAGES)] = Field(
        default=(), description="The picture a clip starts from, or the character references of a still."
    )
    loras: Annotated[tuple[Lora | LoraPair, ...], Field(max_length=MOST_LORAS)] = ()
    fast: bool = Field(default=False, description="With the graph's few-step LoRAs, where it has some.")

    @model_validator(mode="after")
    def _one_length(self) -> "GraphParameters":
        if self.seconds is not None and self.frames is not None:
            raise ValueError("say the length in seconds or in frames, not both")
        return self
