"""A take: one way a clip came out. Same inputs, same take: it is made once and paid once in a channel."""

from datetime import datetime
from decimal import Decimal
from typing import Literal, Self

from pydantic import Field

from studio.contracts.base import Contract, Identifier, MediaRef, Sha256, Usd
from studio.contracts.clip import CameraMove, ClipFile, ClipNumber, ClipOutcome, Fit
from studio.contracts.render import GraphParameters
from studio.contracts.video import Provider, VideoName


class TakeParts(Contract):
    """Everything a take is made from."""

    provider: Provider
    model: str = Field(
        description="The provider's model, the local renderer's version, or a graph and the digest of it."
    )
    prompt: str = Field(description="As the provider reads it.")
    still: MediaRef
    source: Sha256 | None = Field(default=None, description="What the still was prepared from; none: it is as it was.")
    fit: Fit = "refuse"
    seconds: Literal[5, 10]
    width: int
    height: int
    camera: CameraMove = Field(description="The move of the local renderer; elsewhere only for checking the clip.")
    strength: float
    options: str = Field(default="", description="What else a ComfyUI graph is told, as JSON.")
    variant: int = Field(default=1, ge=1, description="Which of the takes of these inputs.")


class Take(Contract):
    """A take that is there."""

    take: Sha256 = Field(description="The digest of its parts.")
    parts: TakeParts
    file: ClipFile
    cost_usd: Usd
    task_id: str | None
    made_at: datetime


class TakeOfClip(Contract):
    """A take as the list of a clip's takes shows it."""

    take: Sha256
    parts: TakeParts
    file: ClipFile | None = Field(description="None: not there (yet).")
    cost_usd: Usd
    verdict: str = Field(description="`chosen`, `good`, or why there is none.")
    made_at: datetime | None


class OpenedVideo(Contract):
    """A video that was written down."""

    takes: list[Sha256] = Field(description="The take each clip is to have, in the video's order.")


class TakesToUse(VideoName):
    """Clips that are not made yet, and the takes they are to have."""

    takes: dict[ClipNumber, Sha256]
    revision: int


class TakesUsed(Contract):
    """Those that were there already."""

    outcomes: list[ClipOutcome]


class LostTakes(Contract):
    """Clips whose takes' files are lost or damaged, and cannot be restored from the video's own copies."""

    numbers: list[ClipNumber]


class LateOrder(Contract):
    """An order no video waits for."""

    submission_id: str
    task_id: str | None = Field(default=None, description="As a callback says; the ledger's own counts more.")
    receipt: bool = Field(default=False, description="The task is from our own receipt, not from a callback.")
    recovered: bool = Field(default=False, description="Handed out by recovery: nothing to do if a video watches it.")


class LateClip(Contract):
    """What came of an order no video waits for: a clip to bring home as a take."""

    channel: Identifier
    video_id: Identifier
    number: ClipNumber
    take: Sha256 = Field(description="Where to keep it: a further take, when the order's own is there already.")
    parts: TakeParts
    submission_id: str
    task_id: str
    url: str
    cost_usd: Usd = Decimal(0)


class LateTake(Contract):
    """A late clip that was brought home."""

    clip: LateClip
    file: ClipFile


class RenderParts(Contract):
    """Everything a picture or clip by a ComfyUI graph is made from."""

    graph: str = Field(description="The graph's name.")
    graph_sha256: Sha256 = Field(description="Of the graph as it is shipped, before anything is bound.")
    parameters: GraphParameters = Field(description="As the graph is told them: styled, with the model's defaults.")
    frames: int | None = Field(default=None, ge=1, description="Frames that are kept of a clip; none: all.")
    variant: int = Field(default=1, ge=1, description="Which of the takes of these inputs.")


class RenderedFile(Contract):
    """A verified picture or clip of a ComfyUI graph, in the object store."""

    media: MediaRef
    width: int
    height: int
    frames: int | None = Field(default=None, description="None: a picture.")
    seconds: float | None = Field(default=None, description="None: a picture.")

    @classmethod
    def of(cls, file: ClipFile, kind: Literal["image", "video"]) -> Self:
        """From the file of a render: a picture counts as a clip of one frame there."""
        moving = kind == "video"
        return cls(
            media=file.media,
            width=file.width,
            height=file.height,
            frames=file.frames if moving else None,
            seconds=file.seconds if moving else None,
        )


class Render(Contract):
    """A take by a ComfyUI graph that is there."""

    take: Sha256
    parts: RenderParts
    file: RenderedFile
    seconds: float = Field(description="How long the server worked.")
    made_at: datetime
