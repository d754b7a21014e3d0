"""A folder as an object store: how files get into it, and what killed writers leave behind.

A key shows a whole file or none: files are written under a temporary name in the same folder, forced to the disk, and
renamed. Nothing is a hard link to anything: who writes into one file in place never changes another. Keys that are
never replaced are read-only. Reading, listing and deleting are obstore's, which does not list temporary names.
"""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from studio.contracts.base import is_object_key
from studio.errors import InvalidRequest

_TEMPORARY = re.compile(r"#\d+$")
"""How obstore's temporary names end, and ours. No key has such a name."""
_FICLONE = 0x40049409
"""ioctl of Linux (linux/fs.h): share the bytes until one of the two is written to; Btrfs, XFS, bcachefs."""
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS)


class Folder:
    """Writes files below one folder. Blocking: call it in a thread. Errors are OSError's, `InvalidRequest` for a key
    that leads elsewhere."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, source: Path, key: str) -> None:
        """Have a copy of `source` under `key`, in place of what is there."""
        target = self._place(key)
        with self._written(target) as file:
            _copy(source, file)
            _finish(file, read_only=False)
            os.replace(file.name, target)
        _sync(target.parent)

    def put_new(self, source: Path, key: str) -> bool:
        """The same, read-only, under a key that is never replaced. False: something is there, and stays."""
        target = self._place(key)
        if target.exists():
            return False
        with self._written(target) as file:
            _copy(source, file)
            _finish(file, read_only=True)
            try:
                os.link(file.name, target)  # unlike a rename it replaces nothing; the temporary name goes at once
            except FileExistsError:
                return False
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                os.replace(file.name, target)
        _sync(target.parent)
        return True

    def copy(self, key: str, target_key: str, *, new: bool = False) -> None:
        """Have the same content under another key; the two files share no bytes that can be written to."""
        source = self._place(key)
        if new:
            self.put_new(source, target_key)
        elif key != target_key:
            self.put(source, target_key)

    def digest(self, key: str) -> tuple[str, int]:
        """SHA-256 of what lies under `key`, and its length."""
        with self._place(key).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()

    def sweep(self, *, older_than: timedelta) -> int:
        """Remove temporary files of writers that are gone; returns how many. One that is being written stays."""
        newest = time.time() - older_than.total_seconds()
        paths = (Path(folder, name) for folder, _, names in os.walk(self._root) for name in names)
        return sum(_remove_left(path, newest) for path in paths if _TEMPORARY.search(path.name))

    def _place(self, key: str) -> Path:
        if not is_object_key(key):
            raise InvalidRequest(f"{key!r} is no key of the object store")
        return self._root / key

    @contextmanager
    def _written(self, target: Path) -> Iterator[BinaryIO]:
        """A temporary file beside `target`, locked while it is written; gone afterwards, if it was not renamed."""
        _make_folder(target.parent)
        path, file = _new_beside(target)
        try:
            with file:
                yield file
        finally:
            path.unlink(missing_ok=True)


def _new_beside(target: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = target.with_name(f"{target.name}#{secrets.randbelow(10**12)}")
        file = path.open("xb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweep has it, and removes it
            file.close()
            continue
        except OSError:  # a file system without locks: there only its age protects it
            return path, file
        if path.exists():
            return path, file
        file.close()


def _copy(source: Path, file: BinaryIO) -> None:
    with source.open("rb") as original:
        try:
            fcntl.ioctl(file, _FICLONE, original.fileno())
        except OSError:
            shutil.copyfileobj(original, file, 1 << 20)


def _finish(file: BinaryIO, *, read_only: bool) -> None:
    file.flush()
    if read_only:
        os.fchmod(file.fileno(), 0o444)
    os.fsync(file.fileno())


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    _sync(folder.parent)


def _sync(folder: Path) -> None:
    """Force a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_left(path: Path, newest: float) -> bool:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mtime > newest:
                return False
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # it is being written, or gone
        return False
    return True
