"""Every switch of the KIE simulator. The defaults are what the facts say KIE does."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.simulator import SimulatorConfig

HOUR = 3_600.0
DAY = 24 * HOUR
MEGABYTE = 1024 * 1024

ClipKind = Literal[
    "good",
    "empty",
    "html",
    "truncated",
    "black",
    "frozen",
    "wrong_length",
    "wrong_size",
    "wrong_codec",
    "hevc",
    "audio_only",
]
ResultVariant = Literal["string", "null", "empty", "malformed", "no_urls", "response"]
Size = tuple[Annotated[int, Field(ge=16)], Annotated[int, Field(ge=16)]]
Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class Callbacks(BaseModel):
    """How terminal states are announced at a task's callBackUrl."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["once", "never"] = "once"
    delay: Seconds = 0
    after_polled: bool = Field(default=False, description="Only when a client has polled the end already.")
    before_response: bool = Field(default=False, description="The task ends before createTask has answered.")
    copies: int = Field(default=1, ge=1)
    hold: int = Field(default=1, ge=1, description="Collect so many, then post them in reverse.")
    id_style: Literal["taskId", "task_id", "root"] = "taskId"
    body: Literal["true", "fail", "stale"] = "true"
    signature: Literal["none", "signed", "bad", "old", "tampered"] = "none"
    key: str = "sim-hmac-key"
    timeout: float = Field(default=15, gt=0, description="Real seconds the receiver has.")
    retries: int = Field(default=0, ge=0)
    retry_wait: Seconds = 5


class TaskOrder(BaseModel):
    """What becomes of one accepted task, where that differs from the usual."""

    model_config = ConfigDict(extra="forbid")

    fail: str | None = None
    fail_code: str | None = None
    credits: float | None = Field(default=None, ge=0)
    bill_failed: bool | None = None
    clip: ClipKind = "good"
    duration: Seconds | None = None
    stuck: bool | None = None
    word: str | None = None
    grace: Seconds | None = None
    result: ResultVariant | None = None
    callbacks: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _ok_is_nothing_special(cls, value: Any) -> Any:
        return {} if value == "ok" else value

    @model_validator(mode="after")
    def _callbacks_exist(self) -> "TaskOrder":
        Callbacks.model_validate(self.callbacks)
        return self


class WeatherConfig(BaseModel):
    """How often answers and tasks are not as usual. All off by default; the dice are seeded.

    What happened is counted by name in the ledger's part `variants`. `variants.py` says what a variant is,
    `kie/weather.py` which there are.
    """

    model_config = ConfigDict(extra="forbid")

    looks: Probability = 0
    orders: Probability = 0
    uploads: Probability = 0
    downloads: Probability = 0
    balances: Probability = 0
    links: Probability = 0
    callbacks: Probability = 0
    failures: Probability = Field(default=0, description="Tasks that fail.")
    other_formats: Probability = Field(default=0, description="Clips in another codec or size.")
    bad_pictures: Probability = Field(default=0, description="Clips that are black, frozen or too short.")
    first: dict[str, Probability] = Field(
        default={}, description="Name of a rate → the rate for what has not happened yet, where it is higher."
    )
    seed: int | None = Field(default=None, description="Of its dice; none: the simulator's.")
    credits_noise: bool = Field(default=False, description="Every bill is told with float noise.")
    stall_seconds: float = Field(default=26, ge=0, description="Real seconds without an answer.")
    drip_seconds: float = Field(default=30, ge=0, description="Real seconds over which a body drips.")
    without: tuple[str, ...] = Field(default=(), description="Variants that are not dealt.")


class KieConfig(SimulatorConfig):
    start_only: ClassVar[frozenset[str]] = SimulatorConfig.start_only | {
        "upload_port",
        "files_port",
        "persist",
        "cache",
        "workers",
        "top_up",
    }

    upload_port: int = 0
    files_port: int = 0
    persist: bool = Field(default=False, description="Keep a journal in `data`, and go on from it.")
    cache: Path | None = Field(default=None, description="Where rendered clips are kept.")
    workers: int = Field(default=1, ge=1, description="Clips rendered at a time.")

    # doors
    api_keys: tuple[str, ...] = ("sim-key",)
    key_caps: dict[str, float] = Field(default={}, description="Key → credits it may spend.")
    auth_as_http: bool = False
    check_user_agent: bool = False
    errors_as_http: bool = False
    limits_as_http: bool = True
    validation_as_500: bool = False
    message_key: Literal["msg", "message"] = "msg"
    unknown_input: Literal["refuse", "ignore"] = "refuse"
    disabled_models: tuple[str, ...] = ()

    # money
    credits: float = 10_000
    top_up: bool = Field(default=False, description="Have at least `credits` at the start, whatever was spent before.")
    bill_failed: bool = False
    credit_lag: Seconds = 0

    # limits
    rate_limit: int = Field(default=20, ge=0)
    rate_window: Seconds = 10
    poll_limit: int = Field(default=10, ge=0)

    # stills
    fetch_images: Literal["auto", "off", "at_create", "later"] = "auto"
    image_error_code: Literal[422, 451] = 451
    image_limit: int = 10 * MEGABYTE
    fetch_timeout: float = Field(default=30, gt=0)

    # a task's course
    duration: tuple[Seconds, Seconds] = (90, 240)
    stuck: Probability = 0
    words: dict[str, str] = Field(default={}, description="State → the word told for it.")
    task_id_style: Literal["hex", "digits", "model_ms"] = "hex"

    # recordInfo
    grace: Seconds = 0
    unknown_task_code: Literal[404, 422] = 422
    result: ResultVariant = "string"
    unfinished_result: Literal[""] | None = ""
    fail_code_style: Literal["string", "null", "empty"] = "string"
    credits_consumed: Literal["present", "absent", "null"] = "present"
    cost_time: Literal["ms", "s"] = "ms"
    hiccups: Probability = 0

    # clips
    clips: Literal["rendered", "placeholder"] = "rendered"
    strength: float = Field(default=0.5, ge=0, le=1)
    default_size: Size = (1280, 720)
    placeholder_size: Size | None = None

    # result files
    result_lifetime: Seconds = DAY
    link_lifetime: Seconds = 20 * 60
    media_lifetime: Seconds = 14 * DAY
    expired_status: Literal[403, 404] = 404

    # uploads
    upload_lifetime: Seconds = DAY
    upload_shape: Literal["current", "quickstart"] = "current"
    overwrite_delay: Seconds = 0
    upload_limit: int = 100 * MEGABYTE

    callbacks: Callbacks = Callbacks()
    weather: WeatherConfig = WeatherConfig()

    maintenance: bool = False
    maintenance_windows: tuple[tuple[float, float], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> "KieConfig":
        if self.persist and self.data is None:
            raise ValueError("persist needs data: a folder for the journal")
        if self.duration[0] > self.duration[1]:
            raise ValueError("duration is (shortest, longest)")
        return self

    @property
    def fetching(self) -> Literal["off", "at_create", "later"]:
        """When the still is fetched; a clip drawn from it needs it, so then it is at least `later`."""
        if self.fetch_images != "auto":
            return self.fetch_images
        return "later" if self.clips == "rendered" else "off"
