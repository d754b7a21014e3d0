"""Folders for files in the making."""

import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "job-"
LEFT_BEHIND_SECONDS = 86_400
"""A folder this old belongs to a process that was killed: no activity lasts that long."""


@contextmanager
def scratch(work_dir: Path) -> Iterator[Path]:
    """A folder that is gone at the end of the block, whatever happens but a kill."""
    work_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work_dir, prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def sweep_scratch(work_dir: Path) -> int:
    """Remove what killed processes left behind; returns how many folders that were."""
    oldest = time.time() - LEFT_BEHIND_SECONDS
    left = [folder for folder in work_dir.glob(f"{_PREFIX}*") if _last_used(folder) < oldest]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def _last_used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:  # another worker was faster
        return math.inf
