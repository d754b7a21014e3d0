"""Which server is simulated, and what came with which version.

The versions are those of the server's own history. Where only "not yet in 0.8.1, there in 0.33" is known, the middle
generation lacks it and the new one has it.
"""

import re
from typing import Literal

Release = tuple[int, ...]

Generation = Literal["new", "middle", "old"]
VERSIONS: dict[Generation, str] = {"new": "0.33.0", "middle": "0.8.1", "old": "0.3.64"}

CREATE_TIME: Release = (0, 3, 68)
"""When a prompt came, in queue and history."""
PREVIEWS_PER_PROMPT: Release = (0, 5)
JOBS: Release = (0, 5, 1)
"""GET /api/jobs and /api/jobs/{id}."""
CHECKED_IDS: Release = (0, 24)
"""A prompt's id has to be a UUID in its canonical form."""
CANCEL: Release = (0, 25)
"""POST /api/jobs/{id}/cancel and /api/jobs/cancel."""

_SOMEWHERE_BETWEEN: Release = (0, 25)
WHOLE_JOBS = _SOMEWHERE_BETWEEN
"""A job that waits or runs tells its graph and its client; one that was interrupted is `cancelled`, not `failed`."""
MISSING_NODES_BY_NAME = _SOMEWHERE_BETWEEN
"""A class that is not installed is `missing_node_type`, not `invalid_prompt`."""

NODES: dict[str, Release] = {
    "BatchImagesNode": (0, 7),
    "ColorTransfer": (0, 19, 3),
    "ComfyMathExpression": (0, 16, 3),
    "EmptyFlux2LatentImage": (0, 4),
    "EmptyHunyuanVideo15Latent": (0, 4),
    "Flux2Scheduler": (0, 4),
    "HunyuanVideo15ImageToVideo": (0, 4),
    "TextOverlay": (0, 27),
}
"""Classes that not every server has."""
TEXT_ENCODERS: dict[str, Release] = {"flux2": (0, 4), "hunyuan_video_15": (0, 4)}
RESOLUTION_STEPS: Release = (0, 4)
"""An input of ImageScaleToTotalPixels."""
NESTED_CODEC: Release = (0, 29)
"""SaveVideo's `format.codec`; before, format and codec are two plain lists."""


def release(version: str) -> Release:
    """`0.33.0` as numbers that can be compared."""
    return tuple(int(part) for part in re.findall(r"\d+", version))
