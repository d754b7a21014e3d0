"""One clip: what is asked for, the steps of its way, what comes back."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from studio.contracts.base import Contract, Identifier, MediaRef, Sha256, Usd
from studio.contracts.excerpt import Excerpt
from studio.contracts.gate import Slot, Ticket
from studio.contracts.texts import without_controls

PROMPT_LIMIT = 2_500
"""Longest motion prompt in characters (KIE.ai, kling/v2-5-turbo-image-to-video-pro)."""

MOST_VARIANTS = 1_000
"""How many takes of the same inputs may be asked for."""


def _whole(seconds: Any) -> Any:
    """5.0 and "5", as other languages write 5."""
    if isinstance(seconds, float) and seconds.is_integer():
        return int(seconds)
    return int(seconds) if isinstance(seconds, str) and seconds.strip() in ("5", "10") else seconds


ClipSeconds = Annotated[Literal[5, 10], BeforeValidator(_whole)]
"""Lengths of a clip that every provider makes."""

ClipNumber = Annotated[int, Field(ge=1, le=500)]
"""A clip's place in its video, from 1."""


Fit = Literal["refuse", "crop", "pad"]
"""What becomes of a still of another shape than its video: refused, cut to it around its centre, or padded with
black."""


class CameraMove(StrEnum):
    """What the camera does; the seven moves every renderer of ours knows."""

    STATIC = "static"
    PAN_LEFT = "pan_left"
    PAN_RIGHT = "pan_right"
    ZOOM_IN = "zoom_in"
    ZOOM_OUT = "zoom_out"
    ORBIT = "orbit"
    TRUCK = "truck"


class MotionPrompt(Contract):
    """A motion prompt in five parts. Kling weighs what comes first: the order is fixed, the camera last."""

    action: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description="Core action: what happens."
    )
    details: str = Field(default="", description="What moves, and how.")
    sequence: str = Field(default="", description="What follows from what.")
    surroundings: str = Field(default="", description="Light, weather, atmosphere.")
    camera: str = Field(default="", description="Camera movement; always comes last.")

    @model_validator(mode="after")
    def _fits(self) -> "MotionPrompt":
        for part in (self.action, self.details, self.sequence, self.surroundings, self.camera):
            without_controls(part)
        length = sum(len(part) for part in (self.action, self.details, self.sequence, self.surroundings, self.camera))
        if length > PROMPT_LIMIT - 10:  # four spaces and five full stops may be added between the parts
            raise ValueError(f"the five parts have {length} characters, {PROMPT_LIMIT - 10} are allowed")
        return self


PromptText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=PROMPT_LIMIT),
    AfterValidator(without_controls),
]


class StillSource(Contract):
    """What a still was prepared from by whoever put it into the object store.

    Takes are named by this instead of the still's own bytes: the same file, encoded by a newer library in other
    bytes, is not bought again.
    """

    still: Sha256 = Field(description="The prepared still's bytes; for another still this says nothing.")
    digest: Sha256 = Field(description="Of the file as it was brought and of what was done to it.")


class Framing(Contract):
    """The shape a still has to have."""

    width: int
    height: int
    fit: Fit = "refuse"


class ClipRequest(Contract):
    """One clip of a video, as ordered."""

    number: ClipNumber
    still: MediaRef = Field(
        description="The picture the clip starts from, in the object store: PNG, JPEG, WebP, TIFF, BMP, GIF or AVIF. "
        "Engines get it upright, as 8-bit RGB, without metadata."
    )
    source: StillSource | None = Field(
        default=None, description="What `still` was prepared from; set by the command line, not needed from services."
    )
    fit: Fit | None = Field(
        default=None, description="For a still of another shape than the video; none: as the video says."
    )
    prompt: PromptText | MotionPrompt = Field(
        description="What moves: one text with the camera movement last, or five parts put in order for you."
    )
    seconds: ClipSeconds = Field(default=5, description="Length of the clip.")
    camera: CameraMove | None = Field(
        default=None, description="Camera move of the local renderer; none: read from the prompt."
    )
    strength: float = Field(default=0.5, ge=0, le=1, description="How far the local renderer's camera moves.")
    variant: int = Field(
        default=1, ge=1, le=MOST_VARIANTS, description="Same inputs, same take; a higher number asks for a further one."
    )
    take: Sha256 | None = Field(default=None, description="Use this take of the channel's, whatever it was made from.")


class ClipId(Contract):
    """Which clip of which video."""

    channel: Identifier
    video_id: Identifier
    number: ClipNumber

    @property
    def name(self) -> str:
        """As files call it: `clip_07`."""
        return f"clip_{self.number:02d}"

    @property
    def label(self) -> str:
        """As summaries of activities call it: `clip 07`."""
        return f"clip {self.number:02d}"


class StillToHost(Contract):
    """A still that the provider has to be able to fetch; then its clip joins the line at the gate."""

    clip: ClipId
    still: MediaRef
    framing: Framing
    gate: str
    ticket: Ticket


class HostedStill(Contract):
    """A still that the provider can fetch, for about a day; its clip has joined the line at the gate.

    No signed address: such a one opens the bucket to its reader, and stays in the history. It is made by the step that
    orders.
    """

    url: str | None = Field(default=None, description="Its address at a public host; none: it lies in our own bucket.")
    since: datetime = Field(description="When it was put there.")
    ask_again_seconds: float = Field(
        default=45, gt=0, description="How long its video waits for a place before it tells the gate again."
    )


class ClipSubmission(Contract):
    """Everything a provider is told about a clip."""

    clip: ClipId
    take: Sha256
    still: MediaRef
    framing: Framing
    hosted: HostedStill
    prompt: PromptText | MotionPrompt
    seconds: ClipSeconds
    model: str
    slot: Slot


class ClipJob(Contract):
    """The receipt: the provider accepted the order and works on it."""

    clip: ClipId
    submission_id: str
    task_id: str
    price_usd: Usd = Field(description="What it should cost.")
    slot: Slot
    shared: bool = Field(default=False, description="Another clip ordered the same take, and pays for it.")


class RenderedClip(Contract):
    """The provider is done; the file is still at its place, for a short while."""

    clip: ClipId
    task_id: str
    submission_id: str | None = Field(description="None: another clip's order.")
    url: str
    cost_usd: Usd
    generation_seconds: float = Field(default=0, ge=0, description="How long the provider worked.")


class ClipToDraw(Contract):
    """A clip for the local renderer."""

    clip: ClipId
    take: Sha256
    still: MediaRef
    prompt: PromptText | MotionPrompt
    camera: CameraMove | None
    strength: float
    seconds: ClipSeconds
    width: int
    height: int
    fit: Fit = "refuse"


class ClipFile(Contract):
    """A verified clip in the object store."""

    media: MediaRef
    width: int
    height: int
    frames: int
    seconds: float
    picture: MediaRef | None = Field(default=None, description="Its middle frame, small: JPEG.")
    conformed: str = Field(
        default="", description="In which ways it was delivered in another format and converted; empty: in none."
    )


class ClipStatus(StrEnum):
    """How far a clip is."""

    QUEUED = "queued"
    HOSTING = "hosting"
    WAITING = "waiting"
    SUBMITTING = "submitting"
    RENDERING = "rendering"
    KEEPING = "keeping"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "paid? unknown"
    HELD = "budget reached"
    CANCELLED = "cancelled"


class ClipOutcome(Contract):
    """How a clip ended: a file, or the reason why not."""

    number: ClipNumber
    status: Literal[ClipStatus.DONE, ClipStatus.FAILED, ClipStatus.UNKNOWN, ClipStatus.HELD]
    take: Sha256 | None = None
    reused: bool = Field(default=False, description="The take was there already; nothing was made or paid.")
    recorded: bool = Field(default=False, description="PostgreSQL knows of it.")
    file: ClipFile | None = None
    task_id: str | None = None
    submission_id: str | None = None
    cost_usd: Usd = Decimal(0)
    generation_seconds: float = 0
    error_type: Excerpt | None = None
    error: Excerpt | None = None

    @property
    def done(self) -> bool:
        return self.status is ClipStatus.DONE
