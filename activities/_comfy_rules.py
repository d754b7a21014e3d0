"""How a worker renders, and what comes of it."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from comfy_workflows.graph import BoundGraph
from studio.media.probe import MediaInfo


@dataclass(frozen=True)
class RenderRules:
    """How a worker renders."""

    work_dir: Path
    longest_wait: timedelta
    """How long a prompt stands behind others' in the server's queue before a server that is free is looked for."""
    longest_silence: timedelta
    """How long a running prompt may show no progress."""
    first_rest: timedelta
    """Pause after a failure that may pass, a lack of memory say; it doubles every time."""
    previews: bool
    """Ask for previews, and keep the newest."""
    prompts_in_files: bool
    """Leave the graph with its prompts in the files, as ComfyUI writes them."""


@dataclass(frozen=True)
class Made:
    """A verified file, still in the scratch folder."""

    path: Path
    bound: BoundGraph
    info: MediaInfo | None
    attempt: int
    seconds: float
