"""A video: its clips, how it stands, what came out."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from studio.contracts.aspect import Aspect, with_sides
from studio.contracts.base import Contract, Identifier, MediaRef, SetByWorkflow, Sha256, Usd
from studio.contracts.callback import CalledBack
from studio.contracts.clip import ClipFile, ClipOutcome, ClipRequest, ClipStatus, Fit, Framing
from studio.contracts.excerpt import Excerpt
from studio.contracts.gate import GateCarry
from studio.contracts.money import Cost
from studio.contracts.render import MOST_LORAS, Lora, LoraPair, PromptPrefix
from studio.contracts.texts import NotionPage, Title

KLING_MODEL = "kling/v2-5-turbo-image-to-video-pro"
COMFYUI_GRAPH = "wan22_i2v"
"""What makes the clips of a video that names no model."""

LARGEST_REQUEST = 1_900_000
"""Bytes of a video's request as JSON, with all defaults. Temporal takes payloads of 2,097,152 bytes, and the request
travels in larger ones: with the state of the previous run, with the record that is written of it."""
LONGEST_MESSAGE = 2_000
MOST_CARRIED_CALLBACKS = 50
"""Callbacks that a run hands to its next run."""

Even = Annotated[int, Field(ge=64, le=4_096, multiple_of=2)]


class Provider(StrEnum):
    """Who makes the clips: Kling through KIE.ai, a graph on our own ComfyUI servers, the local renderer."""

    KLING = "kling"
    COMFYUI = "comfyui"
    ANIMATIC = "animatic"


class OnUnknown(StrEnum):
    """What a video does when nobody knows whether a provider accepted an order, and perhaps billed it."""

    WAIT = "wait"
    """Wait for a callback or a person's decision while the other clips go on; then ask."""
    RESUBMIT = "resubmit"
    """Count it as paid and send it again, so many times per video; then as `wait`."""
    FAIL = "fail"
    """The clip has failed until somebody decides."""


class VideoStatus(StrEnum):
    """How a video stands: in PostgreSQL, in the search attribute and, capitalised, in Notion."""

    QUEUED = "queued"
    PROCESSING = "processing"
    VIDEO_READY = "video_ready"
    VIDEO_ERROR = "video_error"
    BUDGET_REACHED = "budget_reached"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    """It was not begun: its request is wrong. The message says what."""
    FAILED = "failed"
    """Its workflow ended with an error that `resume` cannot reach any more."""
    TERMINATED = "terminated"
    TIMED_OUT = "timed_out"
    """A timeout that was set when the workflow was started has passed."""
    GONE = "gone"
    """It had not ended, and Temporal does not know its workflow any more: deleted, or never started."""

    @property
    def ended(self) -> bool:
        """No run of the workflow is left: only a new start changes the status."""
        return self not in OPEN_STATUSES


OPEN_STATUSES = (
    VideoStatus.QUEUED,
    VideoStatus.PROCESSING,
    VideoStatus.VIDEO_ERROR,
    VideoStatus.BUDGET_REACHED,
)
"""Of a video whose workflow runs, or waits for `resume`."""


class VideoCarry(Contract):
    """What a video hands to its next run when it continues as new. Nothing in it grows with prompts or files.

    How its clips ended is in PostgreSQL; the next run reads it back.
    """

    status: VideoStatus
    clips: Annotated[str, StringConstraints(pattern=r"^[.dfuhDFUH]{0,500}$")] = Field(
        default="",
        description="A letter per clip: done, failed, unknown, held, a capital one when it ended in the present round; "
        "a dot for what has not ended.",
    )
    cost_usd: Usd = Field(default=Decimal(0), description="Of the clips that are done.")
    existing: int | None = Field(default=None, description="Clips that were there when the present round began.")
    summary: Excerpt = Field(default="", description="What the last round came to.")
    message: str = Field(default="", max_length=LONGEST_MESSAGE, description="Why the video waits.")
    waiting: bool = Field(default=False, description="It waits for `resume`, and goes on waiting.")
    resumed: bool = Field(default=False, description="`resume` came as the run ended.")
    gate: GateCarry = GateCarry()
    unknown_until: dict[int, float] = Field(
        default={}, max_length=500, description="Per clip with a lost order: how long it is waited for, in Unix time."
    )
    called_back: Annotated[list[CalledBack], Field(max_length=MOST_CARRIED_CALLBACKS)] = Field(
        default=[], description="Callbacks that were not looked into yet."
    )


def _from_one(clips: Any) -> Any:
    """Programmers count from 0; every clip would be told that its number is wrong."""
    if isinstance(clips, list) and clips and isinstance(clips[0], dict) and clips[0].get("number") == 0:
        raise ValueError("clips.0.number is 0, its place in the video is 1: clips are numbered from 1")
    return clips


class VideoRequest(Contract):
    """A video to make. This is the input of `VideoWorkflow`, also as plain JSON from any language."""

    channel: Identifier = Field(description="Whose video; channels share the provider's slots fairly.")
    video_id: Identifier = Field(description="The video's name, unique within its channel.")
    clips: Annotated[list[ClipRequest], Field(min_length=1, max_length=500), BeforeValidator(_from_one)]
    title: Title = ""
    provider: Provider = Provider.KLING
    model: str = Field(
        default=KLING_MODEL,
        min_length=1,
        description="The provider's model, or the ComfyUI graph (wan22_i2v when none is named); only listed ones.",
    )
    graph: MediaRef | None = Field(
        default=None, description="The ComfyUI graph `model` names, when it is a user's own: as `comfy add` stored it."
    )
    loras: Annotated[tuple[Lora | LoraPair, ...], Field(max_length=MOST_LORAS)] = Field(
        default=(), description="LoRAs for the ComfyUI graph."
    )
    prompt_prefix: PromptPrefix = Field(
        default="", description="The words of a style, told to the ComfyUI graph before every clip's prompt."
    )
    fast: bool = Field(default=False, description="With the ComfyUI graph's few-step LoRAs, where it has some.")
    aspect: Aspect | None = Field(
        default=None, description="Shape instead of width and height: 9:16 is 1080x1920, 1:1 is 1080x1080."
    )
    width: Even = 1_920
    height: Even = 1_080
    fit: Fit = Field(
        default="refuse",
        description="What becomes of stills of another shape: refused, cropped around their centre, padded with black.",
    )
    priority: int = Field(default=3, ge=1, le=5, description="1: urgent, before all others.")
    clip_deadline_seconds: int = Field(
        default=600, ge=1, le=7_200, description="How long to watch one clip at the provider."
    )
    budget_usd: Annotated[Usd, Field(ge=0)] | None = Field(
        default=None, description="Most that this video may cost; none: only the channel's and the day's limits hold."
    )
    on_unknown: OnUnknown = OnUnknown.WAIT
    unknown_wait_seconds: int = Field(
        default=900, ge=0, le=86_400, description="How long to wait for a callback or a decision on a lost order."
    )
    most_resubmits: int = Field(
        default=1, ge=0, le=100, description="Lost orders sent again without asking, with on_unknown: resubmit."
    )
    notion_page: NotionPage | None = Field(default=None, description="The Notion page whose status follows the video.")
    carried: Annotated[VideoCarry | None, SetByWorkflow] = Field(
        default=None, description="Set by continue-as-new; not for callers."
    )

    @model_validator(mode="before")
    @classmethod
    def _graph_when_none_is_named(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("provider") == Provider.COMFYUI and not values.get("model"):
            return values | {"model": COMFYUI_GRAPH}
        return values

    @model_validator(mode="before")
    @classmethod
    def _sides_of_aspect(cls, values: Any) -> Any:
        return with_sides(values)

    def framing(self, clip: ClipRequest) -> Framing:
        """The shape the clip's still has to have."""
        return Framing(width=self.width, height=self.height, fit=clip.fit or self.fit)

    @model_validator(mode="after")
    def _numbers_are_places(self) -> "VideoRequest":
        for place, clip in enumerate(self.clips, start=1):
            if clip.number != place:
                raise ValueError(f"clips.{place - 1}.number is {clip.number}, its place in the video is {place}")
        return self


class RecalledVideo(Contract):
    """What PostgreSQL knows of a video that is being made."""

    takes: list[Sha256] = Field(description="The take each clip is to have, in the video's order; empty: not known.")
    outcomes: list[ClipOutcome] = Field(description="Of the clips that have ended.")


class ClipProgress(Contract):
    """One line of the table."""

    number: int
    status: ClipStatus = ClipStatus.QUEUED
    since: datetime | None = Field(default=None, description="When the status began.")
    tries: int = Field(default=0, description="How often the clip was begun.")
    cost_usd: Usd
    note: Excerpt = Field(default="", description="The reason of a failure, or what it waits for.")


class VideoProgress(Contract):
    """How a video stands right now: the answer of the query `progress`."""

    channel: Identifier
    video_id: Identifier
    status: VideoStatus
    step: str = Field(description="What the video is doing, in words.")
    total: int
    done: int
    failed: list[int] = Field(default=[])
    clips: list[ClipProgress] = Field(default=[])
    cost_usd: Usd
    message: str = Field(default="", description="For people: the reason of an error, the summary of a round.")


class VideoResult(Contract):
    """A finished video."""

    channel: Identifier
    video_id: Identifier
    video: MediaRef
    sheet: MediaRef
    seconds: float
    frames: int
    clips: list[ClipOutcome]
    costs: list[Cost]
    total_cost_usd: Usd
    summary: str = Field(description="For example: Skipped 10 existing clips, generated 8 new clips")
    notes: list[str] = Field(default=[], description="What the join changed: sound left out, clips encoded again.")


class VideoToCheck(Contract):
    """A request to look at before anything is spent."""

    request: VideoRequest


class VideoName(Contract):
    """Which video."""

    channel: Identifier
    video_id: Identifier


class VideoRecord(Contract):
    """A video to write down. `revision` is workflow time in milliseconds: later changes replace earlier ones."""

    request: VideoRequest
    status: VideoStatus
    revision: int


class StatusRecord(VideoName):
    """How a video stands from now on."""

    status: VideoStatus
    message: str
    revision: int


class VideoEnding(StatusRecord):
    """How a video ended that came to no result; it may have no row yet."""

    title: Title = ""
    provider: Provider
    clip_count: int


class VideoCost(Contract):
    """What a video has cost so far, by the orders it sent."""

    cost_usd: Usd = Field(description="Settled orders, at their bills.")
    open_usd: Usd = Field(default=Decimal(0), description="With the provider, or perhaps: at list price.")
    over_estimate_usd: Usd = Field(default=Decimal(0), description="How much more than the list price was billed.")


class ClipRecord(VideoName):
    """How one of a video's clips ended."""

    outcome: ClipOutcome
    revision: int


class VideoResultRecord(Contract):
    """A finished video to write down."""

    result: VideoResult
    status: VideoStatus
    revision: int


class VideoToJoin(VideoName):
    """Clips in their order, to be one video."""

    clips: list[ClipFile]
    title: str = Field(default="", description="Shown on the contact sheet and in the file's metadata.")
    labels: list[str] = Field(
        default=[], description="What the contact sheet says of each clip: the first line beside its number."
    )


class JoinedVideo(Contract):
    """The video, and which clips had to be brought to the others' format first."""

    media: MediaRef
    seconds: float
    frames: int
    conformed: list[int] = Field(default=[])
    silenced: list[int] = Field(default=[], description="Clips whose sound is not in the video.")
    tone_mapped: list[int] = Field(default=[], description="Clips whose high dynamic range was mapped to BT.709.")

    def notes(self) -> list[str]:
        """What was changed, as sentences for the person who looks at the video."""
        kinds = [
            (self.silenced, "The sound of {} was left out"),
            (self.tone_mapped, "The high dynamic range of {} was mapped to standard range (BT.709)"),
            (self.conformed, "Encoded again because of another format: {}"),
        ]
        return [sentence.format(_clips(numbers)) for numbers, sentence in kinds if numbers]


def _clips(numbers: list[int]) -> str:
    """`clip 3`, `clips 2, 5`; no more than 20 numbers."""
    listed = ", ".join(str(number) for number in numbers[:20])
    more = f" and {len(numbers) - 20} more" if len(numbers) > 20 else ""
    return f"{'clip' if len(numbers) == 1 else 'clips'} {listed}{more}"


class Unfinished(VideoName):
    """Clips of a cancelled video whose files go away."""

    numbers: list[int]
