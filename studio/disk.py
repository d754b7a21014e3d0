"""A full disk, told as that."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from studio.errors import WorkFolderFull

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What the system answers when no more can be written: no space, the user's quota, the process's limit."""


@contextmanager
def in_work_folder() -> Iterator[None]:
    """Files are written into the work folder in this block.

    Raises:
        WorkFolderFull: there is no space left for one of them.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise WorkFolderFull from None
        raise
