"""What Temporal knows of a video's workflow: what a status is held against where none of our code could write it."""

from studio.contracts.base import Contract, Identifier
from studio.contracts.video import VideoStatus


class Execution(Contract):
    """The newest run of a video's workflow."""

    channel: Identifier
    video_id: Identifier
    workflow_id: str
    running: bool
    status: VideoStatus
    """While it runs: as its search attribute says. Afterwards: how it ended."""
    message: str = ""
    """Why it ended."""
    started: int
    """Milliseconds since 1970, Temporal's clock, as are the revisions of rows."""
    closed: int = 0
