"""What is told of a render while it runs. Never the truth, only news: the truth is in tables and workflow queries."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator

from studio.contracts.base import Contract, Identifier, ObjectKey
from studio.contracts.clip import ClipNumber

MOST_NOTE = 400
"""Characters of a note; longer ones are cut.

PostgreSQL carries less than 8,000 bytes per event, and JSON makes six of some characters.
"""

MOST_JOB = 320
"""Characters of a job's id; longer ones are cut."""

JobId = Annotated[str, StringConstraints(min_length=1), AfterValidator(lambda job: job[:MOST_JOB])]
"""The id of the workflow that makes it."""


class Stage(StrEnum):
    """How far a picture or a clip is."""

    QUEUED = "queued"
    PREPARING = "preparing"
    """The graph is bound and checked, pictures are on their way to the server."""
    WAITING = "waiting"
    """For a GPU, or in the queue of its server."""
    RENDERING = "rendering"
    STALLED = "stalled"
    """It does not move: the server does not answer, has lost it, or has told of no progress for long."""
    KEEPING = "keeping"
    """The file is fetched, checked and stored."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Progress(Contract):
    """News of one job: the newest of a sentence or clip counts."""

    kind: Literal["progress"] = "progress"
    job: JobId
    channel: Identifier
    project_id: Identifier = Field(description="The project or the video.")
    sentence_id: Identifier | None = Field(default=None, description="None: not about a single sentence.")
    clip: ClipNumber | None = Field(default=None, description="None: not about a single clip of a video.")
    take: str = Field(default="", max_length=64, description="What is being made, where known.")
    stage: Stage
    fraction: float = Field(default=0, ge=0, le=1, description="Done of the whole job or of this sentence or clip.")
    eta_seconds: float | None = Field(
        default=None, ge=0, description="Until it is done, estimated; none: nobody knows."
    )
    preview: ObjectKey | None = Field(default=None, description="The newest preview in the object store: JPEG.")
    note: str = Field(
        default="", description="For people: the node that runs, the place in the queue, the reason of a failure."
    )
    at: datetime = Field(description="When it was so, by the clock of who tells it.")

    @field_validator("note", mode="after")
    @classmethod
    def _cut(cls, note: str) -> str:
        return note[:MOST_NOTE]


class EventsLost(Contract):
    """Told to a subscriber by his own end: here something may be missing. Look at the state once, then listen on."""

    kind: Literal["lost"] = "lost"
    reason: str


Event = Progress | EventsLost
"""What a subscriber hears."""
