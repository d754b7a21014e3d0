"""A finished clip on its way home."""

from typing import Literal

from pydantic import Field

from studio.contracts.base import Contract, Sha256, Usd
from studio.contracts.clip import CameraMove, ClipFile, ClipId, MotionPrompt, PromptText


class ClipToUse(Contract):
    """What is written down of a clip that its video waits for."""

    submission_id: str | None
    cost_usd: Usd
    generation_seconds: float
    revision: int


class ClipToKeep(Contract):
    """A finished clip to bring home, and what it has to look like."""

    clip: ClipId
    take: Sha256
    task_id: str
    url: str
    seconds: Literal[5, 10]
    width: int
    height: int
    prompt: PromptText | MotionPrompt = Field(description="Only a shot ordered static may stand still.")
    camera: CameraMove | None
    gate: str = Field(default="", description="The gate it was ordered through; it closes when clips are bad in a row.")
    renewals: int = Field(default=0, ge=0, description="How often the address was renewed so far.")
    use: ClipToUse | None = Field(description="How the video uses this take; None: it waits for it no more.")


class KeptClip(Contract):
    """A clip that is home."""

    file: ClipFile
    recorded: bool = Field(description="PostgreSQL knows of it; False: it did not answer.")
