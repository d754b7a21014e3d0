"""A file appears at its place whole, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A path beside `target`: moved to `target` when the block ends well, deleted when it does not.

    ffmpeg leaves a valid but shorter MP4 when it is stopped, so "the file is there" must mean "it was finished".
    The name is `clip_07.<random>.part.mp4`: two attempts at the same file never write into each other's.
    """
    part = target.with_name(f"{target.stem}.{uuid4().hex[:8]}.part{target.suffix}")
    try:
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
