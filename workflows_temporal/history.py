"""What Temporal keeps of a run has bounds: when the rest is left to the next run, how much text the web UI shows."""

import asyncio
from datetime import timedelta

from temporalio import workflow

from studio.contracts.excerpt import excerpt

MOST_DETAILS = 16_000
"""Bytes of the current details; Temporal's web UI takes 20,000."""

LEAST_EVENTS = 100
"""Events of the shortest run that ends for its length. A large request alone makes the server suggest it (4 MB), and a
run that began nothing would be followed by another one for ever."""


def is_long() -> bool:
    """The server suggests to continue as new: 4,096 events, signals among them, or 4 MB. At 10,000 signals it would
    refuse every further one."""
    info = workflow.info()
    return info.is_continue_as_new_suggested() and info.get_current_history_length() >= LEAST_EVENTS


async def hear_cancellation() -> None:
    """Call this before a run continues as new: a cancellation that came in its last task would end with it, unheard.

    Raises:
        CancelledError: the run was cancelled.
    """
    await workflow.sleep(timedelta(milliseconds=1), summary="the next run begins")
    if workflow.cancellation_reason() is not None:
        raise asyncio.CancelledError


def show(markdown: str) -> None:
    """Set the current details, cut to what the web UI takes."""
    workflow.set_current_details(excerpt(markdown, characters=MOST_DETAILS, most_bytes=MOST_DETAILS))
