"""A sentence's picture or clip on its way: the order, how it is made, how it ended; and many of them at once."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from studio.contracts.base import Contract, Identifier, MediaRef, SetByWorkflow, Sha256
from studio.contracts.excerpt import Excerpt, excerpt
from studio.contracts.model import ModelCategory
from studio.contracts.progress import Stage
from studio.contracts.project import ProjectName, SentenceId
from studio.contracts.rendering import GraphToRender
from studio.contracts.take import RenderedFile

MOST_SENTENCES = 1_000
"""How many sentences a batch may have: its result has up to 1,500 bytes of each, and a payload 2 MiB at most."""


def _short(text: str) -> str:
    return excerpt(text, most_bytes=800)


def _few(notes: Any) -> Any:
    return tuple(notes)[:3] if isinstance(notes, (list, tuple)) else notes


ShortReason = Annotated[str, AfterValidator(_short)]
"""A reason, cut so that a thousand of them fit into a payload."""
Notes = Annotated[
    tuple[Annotated[str, AfterValidator(lambda note: excerpt(note, most_bytes=250))], ...], BeforeValidator(_few)
]
"""What people should know; the first three."""


class SentenceRequest(SentenceId):
    """The sentence whose picture or clip is to be made."""

    force: bool = Field(
        default=False, description="Make a further one, the next variant, though there is one that fits."
    )


class SentenceToMake(SentenceRequest):
    """The same, with what is to be made."""

    category: ModelCategory


class SentencePlan(SentenceId):
    """How a picture or a clip is made."""

    category: ModelCategory
    order: GraphToRender
    fits: MediaRef | None = Field(default=None, description="The sentence has it already: nothing is left to do.")
    there: RenderedFile | None = Field(default=None, description="The channel has made it before: it is only used.")
    notes: tuple[str, ...] = Field(default=(), description="What people should know of it.")


class SentenceRender(Contract):
    """A picture or a clip that is there, for the sentence it was planned for."""

    plan: SentencePlan
    file: RenderedFile


class UsedRender(Contract):
    """What the sentence has now."""

    file: MediaRef | None = Field(description="None: it wants something else meanwhile, and has nothing new.")


class SentenceOutcome(Contract):
    """How a sentence's picture or clip ended: a file, or the reason why not."""

    sentence_id: Identifier
    status: Literal["done", "failed"]
    file: MediaRef | None = None
    take: Sha256 | None = None
    reused: bool = Field(default=False, description="It was there already; nothing was rendered.")
    gpu_seconds: float = 0
    notes: Notes = Field(default=(), description="What people should know: rules of the graph, a stale picture.")
    error_type: Excerpt | None = None
    error: ShortReason | None = None


class BatchCarry(Contract):
    """What a batch leaves to its next run when its history is long."""

    left: tuple[Identifier, ...]
    outcomes: tuple[SentenceOutcome, ...]


class ProjectRequest(ProjectName):
    """Pictures or clips of many sentences: those that are dirty."""

    category: ModelCategory = Field(description="`image`: pictures; `video`: clips.")
    sentence_ids: Annotated[tuple[Identifier, ...], Field(max_length=MOST_SENTENCES)] | None = Field(
        default=None, description="Only of these; none: of all."
    )
    force: bool = Field(default=False, description="Also of those that fit: a further one each, the next variant.")
    carried: Annotated[BatchCarry | None, SetByWorkflow] = Field(
        default=None, description="Set by the workflow itself when it continues as new."
    )


class Batch(Contract):
    """The sentences to be made, one model after the other."""

    sentence_ids: tuple[Identifier, ...]


class SentenceStanding(Contract):
    """How far a sentence of a batch is."""

    sentence_id: Identifier
    stage: Stage
    note: ShortReason = ""


class ProjectProgress(ProjectName):
    """How a batch stands. What renders do in detail is told live, as news."""

    category: ModelCategory
    total: int
    done: int
    failed: int
    sentences: list[SentenceStanding]


class ProjectResult(ProjectName):
    """How a batch ended."""

    category: ModelCategory
    done: int
    reused: int = Field(description="Of those done: were there already.")
    failed: int
    summary: str
    outcomes: list[SentenceOutcome] = Field(description="In the order in which they ended.")
