"""A graph on its way through a ComfyUI server: the order, how it stands, what came out."""

from datetime import datetime
from typing import Literal, Self

from pydantic import Field

from studio.contracts.base import Contract, Identifier, MediaRef, Sha256
from studio.contracts.clip import CameraMove, ClipFile, ClipId, ClipRequest, Fit, Framing, MotionPrompt, PromptText
from studio.contracts.model import GraphName
from studio.contracts.project import SentenceId
from studio.contracts.render import GraphParameters, Lora, LoraPair, PromptPrefix
from studio.contracts.take import RenderParts
from studio.contracts.video import VideoRequest


class GraphToRender(Contract):
    """A picture or a clip to render. Same take, same result: asking again finds the first one."""

    channel: Identifier
    take: Sha256 = Field(description="The digest of everything it is made from.")
    graph: GraphName
    own: MediaRef | None = Field(default=None, description="A user's own graph, in the object store; none: shipped.")
    graph_sha256: Sha256 | None = Field(
        default=None, description="The digest of the graph the take was planned with; none: whatever is called so."
    )
    variant: int = Field(default=1, ge=1, description="Which one of the same inputs the take is.")
    parameters: GraphParameters
    clip: ClipId | SentenceId = Field(description="Which clip of a video, or which sentence, it is for.")
    moving: bool = Field(default=True, description="False: only then may the picture of a clip stand still.")
    kept_frames: int | None = Field(default=None, ge=1, description="Cut a clip to so many frames; none: keep all.")
    framing: Framing | None = Field(
        default=None, description="The shape its pictures have to have; none: any, as for sentences."
    )

    @property
    def parts(self) -> RenderParts | None:
        """What the take is made from; None where the order does not say it: a video's takes are known elsewhere."""
        if self.graph_sha256 is None:
            return None
        return RenderParts(
            graph=self.graph,
            graph_sha256=self.graph_sha256,
            parameters=self.parameters,
            frames=self.kept_frames,
            variant=self.variant,
        )


class ClipToRender(Contract):
    """A clip of a video, for a ComfyUI graph that makes clips of stills."""

    clip: ClipId
    take: Sha256
    graph: GraphName
    own: MediaRef | None = None
    still: MediaRef
    prompt: PromptText | MotionPrompt
    prompt_prefix: PromptPrefix = Field(default="", description="Histories before videos had one lack it.")
    camera: CameraMove | None
    strength: float
    seconds: Literal[5, 10]
    width: int
    height: int
    fit: Fit = "refuse"
    loras: tuple[Lora | LoraPair, ...] = ()
    fast: bool = False

    @classmethod
    def of(cls, video: VideoRequest, clip: ClipRequest, take: str) -> Self:
        """A video's clip."""
        return cls(
            clip=ClipId(channel=video.channel, video_id=video.video_id, number=clip.number),
            take=take,
            graph=video.model,
            own=video.graph,
            still=clip.still,
            prompt=clip.prompt,
            prompt_prefix=video.prompt_prefix,
            camera=clip.camera,
            strength=clip.strength,
            seconds=clip.seconds,
            width=video.width,
            height=video.height,
            fit=clip.fit or video.fit,
            loras=video.loras,
            fast=video.fast,
        )


class RenderState(Contract):
    """What an attempt leaves to the next one, and shows people meanwhile, in its heartbeats."""

    server: str = Field(default="", description="The server that has the prompt: its address.")
    attempt: int = Field(default=1, ge=1, description="Which attempt at the take: part of the prompt's id.")
    sent: bool = Field(default=False, description="The server has this attempt, as far as anybody knows.")
    losses: int = Field(default=0, ge=0, description="How often a server that had it did not know it any more.")
    failures: int = Field(default=0, ge=0, description="How often it failed for good on a server.")
    refused_by: tuple[str, ...] = Field(default=(), description="Servers that cannot make it.")
    stage: Literal["preparing", "waiting", "rendering", "stalled", "keeping", "cancelling"] = "preparing"
    trouble: str = Field(default="", max_length=400, description="Why it does not move, while it is stalled.")
    ahead: int | None = Field(default=None, description="Prompts that come before it in the server's queue.")
    node: str = Field(default="", description="The node that runs.")
    fraction: float = Field(default=0, ge=0, le=1)


class RenderedGraph(Contract):
    """What came out, verified and in the object store."""

    take: Sha256
    kind: Literal["image", "video"]
    file: ClipFile = Field(description="A picture counts as a clip of one frame.")
    attempt: int = Field(description="Which attempt at the take it was.")
    gpu_seconds: float = Field(default=0, ge=0, description="From start to end, by the server's clock.")
    notes: tuple[str, ...] = Field(default=(), description="Rules that changed what was asked for.")


class GpuServer(Contract):
    """A ComfyUI server that has a worker."""

    name: str = Field(description="Its address; with the host it is on, where nobody else can reach it.")
    worker: str = Field(description="Host and process of the worker.")
    busy: bool = Field(description="It renders for us.")
    away: str = Field(description="Why it cannot be used just now; empty: it can.")
    seen_at: datetime = Field(description="When its worker told so.")
