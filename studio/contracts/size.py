"""How large values are as JSON: Temporal takes payloads of 2 MiB, counted in bytes."""

from studio.contracts.base import Contract
from studio.contracts.video import LARGEST_REQUEST, VideoRequest

LARGEST_PAYLOAD = 2_097_152 - 4_096
"""Bytes of one payload that Temporal takes (2 MiB), less what it adds."""
NEXT_RUN_TOO_LARGE = "NextRunTooLarge"
"""Error type of a video whose next run would not fit into one payload: its status is `video_error`."""


def json_bytes(value: Contract) -> int:
    """Bytes of the value as our payload converter writes it: JSON in UTF-8 with all defaults."""
    return len(value.model_dump_json().encode())


def too_large(request: VideoRequest) -> str | None:
    """Why a request is too large to travel, with the figures; None: it is not."""
    size = json_bytes(request if request.carried is None else request.model_copy(update={"carried": None}))
    if size <= LARGEST_REQUEST:
        return None
    largest = max(request.clips, key=json_bytes)
    return (
        f"request: has {size:,} bytes as JSON, at most {LARGEST_REQUEST:,} are allowed; the largest of its "
        f"{len(request.clips)} clips is {largest.number} with {json_bytes(largest):,} - "
        "Shorten prompts, or make several videos"
    )
