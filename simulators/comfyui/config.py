"""Every switch of the ComfyUI simulator. The defaults are what a real server was seen to do."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from simulators.comfyui.versions import VERSIONS, Generation, Release, release
from simulators.simulator import SimulatorConfig

MEGABYTE = 1024 * 1024

FileKind = Literal["good", "missing", "empty", "truncated", "black", "frozen", "wrong_length", "wrong_size"]
Seconds = Annotated[float, Field(ge=0)]


class RunOrder(BaseModel):
    """What becomes of one accepted prompt, where that differs from the usual."""

    model_config = ConfigDict(extra="forbid")

    seconds: Seconds | None = Field(default=None, description="GPU seconds, virtual.")
    encode_seconds: Seconds | None = Field(default=None, description="How many of them the saving nodes take.")
    fail: str | None = Field(default=None, description="`oom`, `error`, or the message of a RuntimeError.")
    node: str | None = Field(default=None, description="Id or class of the node that fails or gets stuck.")
    stuck: bool = Field(default=False, description="The node never ends and reports nothing.")
    deaf: bool = Field(default=False, description="Interrupts are ignored until the prompt has ended.")
    lost_interrupts: int = Field(default=0, ge=0, description="So many are answered well and come to nothing.")
    file: FileKind = "good"
    outputs: Literal["all", "none", "temp"] = "all"

    @model_validator(mode="before")
    @classmethod
    def _ok_is_nothing_special(cls, value: Any) -> Any:
        return {} if value == "ok" else value


class ComfyConfig(SimulatorConfig):
    start_only: ClassVar[frozenset[str]] = SimulatorConfig.start_only | {"generation", "cache", "workers", "persist"}

    generation: Generation = "new"
    persist: bool = Field(default=False, description="Keep the ledger in `data`; the server's memory is never kept.")
    cache: Path | None = Field(default=None, description="Where drawn pictures and clips are kept.")
    workers: int = Field(default=1, ge=1, description="Files drawn at a time.")

    # what is installed
    models: Literal["all", "none"] | tuple[str, ...] = Field(default="all", description="Names, or folder/name.")
    missing_models: tuple[str, ...] = Field(
        default=(), description="Names that are not there although `models` says so."
    )
    missing_nodes: tuple[str, ...] = ()
    devices: tuple[str, ...] = ("cuda:0 Simulated GPU",)
    vram: int = Field(default=24_576 * MEGABYTE, ge=0)

    # how long things take, in virtual seconds
    prompt_seconds: Seconds | None = Field(default=None, description="Every prompt takes so long.")
    picture_seconds: Seconds = 4
    clip_seconds: Seconds = Field(default=30, description="Per second of footage.")
    bare_seconds: Seconds = Field(default=0.004, description="A graph without a sampler.")
    tick_seconds: Seconds = Field(default=0.08, description="Per frame of a ColorTransfer.")
    load_seconds: Seconds = Field(
        default=0, description="Added when a prompt needs other model files than the last one."
    )
    encode_share: float = Field(default=0.1, ge=0, le=1, description="Share of the time that the saving nodes take.")
    interrupt_seconds: Seconds = Field(default=0.2, description="Until a ticking node notices, at the latest.")

    # files
    files: Literal["rendered", "placeholder"] = "rendered"
    metadata: bool = Field(default=True, description="False: as with --disable-metadata.")
    upload_limit: int = 100 * MEGABYTE

    # sockets
    sockets: Literal["ok", "muted", "refused"] = "ok"
    history_lag: Seconds = Field(default=0.002, description="Real seconds from a prompt's last event to its history.")
    throttle: Seconds = Field(default=0.1, description="Least real seconds between two progress messages.")

    @model_validator(mode="after")
    def _fits_together(self) -> "ComfyConfig":
        if self.persist and self.data is None:
            raise ValueError("persist needs data: a folder for the ledger")
        return self

    @property
    def version(self) -> str:
        return VERSIONS[self.generation]

    def has(self, first: Release) -> bool:
        """Is the server of this version or newer?"""
        return release(self.version) >= first
