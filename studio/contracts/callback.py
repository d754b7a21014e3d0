"""A provider's word that it is done with a task."""

from pydantic import Field

from studio.contracts.base import Contract, Reference
from studio.contracts.clip import ClipNumber
from studio.contracts.excerpt import Excerpt


class CalledBack(Contract):
    """Somebody says that a task has ended: a reason to look at once, and nothing to believe."""

    submission_id: Reference = Field(description="The row of the ledger of orders.")
    number: ClipNumber
    task_id: Excerpt = Field(description="The task as the caller names it.")
