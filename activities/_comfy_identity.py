"""What a take is called on ComfyUI servers: the same names whoever asks, so that nobody sends it twice."""

import uuid

from temporalio import activity

_JOBS = uuid.UUID("6f1c1d6e-5d0a-5f4e-9d55-0a2f6b1f3c77")
"""Namespace of the ids of our prompts."""


def prompt_id_of(take: str, attempt: int) -> str:
    """The id of the prompt."""
    return str(uuid.uuid5(_JOBS, f"{take}/{attempt}"))


def prefix_of(take: str, attempt: int) -> str:
    """How the file's name begins on the server: unique for the attempt, so that the file can be found by it."""
    return f"longtake/{take}/{attempt}"


def provenance_of(take: str, attempt: int) -> dict[str, str | int]:
    """What every file says of its making."""
    return {"job": activity.info().workflow_id or "", "take": take, "attempt": attempt}
