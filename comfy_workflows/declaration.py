"""What a graph says about itself: where its parameters go, what comes out, which files it needs."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from studio.contracts.base import Contract, Identifier

Kind = Literal["image", "video"]
Side = Literal["only", "high", "low"]
"""Which of a graph's models: the only one, or that of the high-noise or the low-noise pass."""


class GraphType(StrEnum):
    """What a graph makes of what."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_IMAGE = "image-to-image"
    TEXT_TO_VIDEO = "text-to-video"
    IMAGE_TO_VIDEO = "image-to-video"


class ParameterName(StrEnum):
    """The parameters a graph may have. `split` follows from `steps`: where the second of two passes begins.

    `length` is a number of frames, `seconds` a length in seconds of which the graph computes its frames.
    """

    PROMPT = "prompt"
    NEGATIVE = "negative"
    WIDTH = "width"
    HEIGHT = "height"
    LENGTH = "length"
    SECONDS = "seconds"
    FPS = "fps"
    SEED = "seed"
    STEPS = "steps"
    SPLIT = "split"
    CFG = "cfg"


class Place(Contract):
    """An input of a node."""

    node: str
    input: str


class Parameter(Contract):
    """A parameter and where its value goes."""

    name: ParameterName
    places: tuple[Place, ...] = Field(min_length=1)
    type: Literal["text", "integer", "number"]
    least: int | float | None = None
    most: int | float | None = None
    step: int = Field(default=1, ge=1, description="Values are n * step + offset.")
    offset: int = Field(default=0, ge=0)
    default: str | int | float | None = Field(default=None, description="None: what another node says.")

    @property
    def rule(self) -> str:
        """Which whole numbers are taken, as people write it; empty: all."""
        if self.step == 1:
            return ""
        return f"{self.step}n+{self.offset}" if self.offset else f"a multiple of {self.step}"


class FramesPlace(Place):
    """An input at which a length in frames arrives, and which lengths its node makes: others are rounded down."""

    step: int = Field(default=1, ge=1, description="Lengths are n * step + offset.")
    offset: int = Field(default=0, ge=0)


class Output(Contract):
    """The node whose file is the result."""

    node: str
    kind: Kind
    prefix: str = Field(default="filename_prefix", description="Its input for the name of the file.")
    fps: float | None = Field(default=None, description="Of a clip, when it is no parameter.")
    frames: tuple[FramesPlace, ...] = Field(
        default=(), description="Where the clip's frames arrive, when other nodes compute them of the marked number."
    )
    rates: tuple[Place, ...] = Field(
        default=(), description="Where its frames per second arrive, when other nodes compute them."
    )


class ReferenceChain(Contract):
    """A conditioning that every reference is added to: the node that adds the first one, the input it ends in."""

    node: str
    into: Place
    suffix: str = Field(description="Ends the ids of the nodes added for further references.")


class References(Contract):
    """How a picture after the first is added: the first one's nodes are repeated and chained."""

    load: str
    scale: str
    encode: str
    chains: tuple[ReferenceChain, ...]
    first_id: int = Field(description="Id of the second picture's node; the third has the next one.")
    most: int = Field(ge=1)


class LoraPlace(Contract):
    """Where LoRAs are put in: before this input."""

    side: Side
    into: Place
    node: str = Field(description="Id of the first LoRA's node; the second has `_2` after it.")
    title: str


class FewStepLora(Contract):
    """A LoRA that lets its side of the graph do with few steps."""

    side: Side
    node: str
    title: str
    name: str
    strength: float = 1.0


class Fast(Contract):
    """The fast way of a graph."""

    steps: int
    cfg: float
    loras: tuple[FewStepLora, ...]


class CameraPlaces(Contract):
    """Where a graph takes the camera in numbers."""

    pose: Place
    speed: Place


class ModelFile(Contract):
    """A file the server must have."""

    folder: str = Field(description="Below the server's `models`; empty: nobody knows.")
    name: str
    node: str


class GraphDeclaration(Contract):
    """A graph's face: all that others may know of it."""

    name: Identifier
    title: str
    type: GraphType
    output: Output
    parameters: tuple[Parameter, ...]
    images: tuple[Place, ...] = Field(default=(), description="Where the first, second … picture goes.")
    references: References | None = Field(default=None, description="None: no picture beyond those.")
    loras: tuple[LoraPlace, ...] = ()
    fast: Fast | None = None
    camera: CameraPlaces | None = None
    models: tuple[ModelFile, ...] = ()

    def parameter(self, name: ParameterName) -> Parameter | None:
        """The parameter of this name, if the graph has it."""
        return next((parameter for parameter in self.parameters if parameter.name is name), None)

    @property
    def fps(self) -> float | None:
        """Frames per second of its clips, where nobody asks for others; none: it does not say."""
        parameter = self.parameter(ParameterName.FPS)
        if parameter is not None and isinstance(parameter.default, (int, float)):
            return float(parameter.default)
        return self.output.fps
