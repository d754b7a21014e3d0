"""Folders for files in the making, each owned by a lock: when the owner is gone, whatever ended it, it is swept."""

import asyncio
import errno
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import structlog

from studio.disk import in_work_folder
from studio.objects.store import ObjectStore

_log = structlog.get_logger()

_PREFIX, _LOCK = "job-", ".lock"
_NO_LOCKS = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)
LEFT_BEHIND_SECONDS = 86_400
"""Where the file system has no locks, a folder this old belongs to a process that was killed."""
SWEEP_EVERY = timedelta(minutes=10)
"""Pause between two sweeps: a worker killed for want of memory leaves gigabytes, and its neighbours go on."""


@contextmanager
def scratch(work_dir: Path) -> Iterator[Path]:
    """A folder that is gone at the end of the block. After a kill, the next sweep removes it.

    Raises:
        WorkFolderFull: there is no space left for it.
    """
    with in_work_folder():
        work_dir.mkdir(parents=True, exist_ok=True)
        folder, lock = _owned_folder(work_dir)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            _lock_of(folder).unlink()
        os.close(lock)


def sweep_scratch(work_dir: Path) -> int:
    """Remove the folders whose owners are gone; returns how many."""
    swept = sum(_swept(folder) for folder in work_dir.glob(f"{_PREFIX}*") if not folder.name.endswith(_LOCK))
    for lock in work_dir.glob(f"{_PREFIX}*{_LOCK}"):  # killed before the folder was made
        if not lock.with_suffix("").exists():
            _swept(lock.with_suffix(""))
    return swept


async def keep_sweeping(work_dir: Path, objects: ObjectStore, every: timedelta = SWEEP_EVERY) -> None:
    """Remove what killed processes left in the work folder and in the object store, now and again and again."""
    while True:
        try:
            folders = await asyncio.to_thread(sweep_scratch, work_dir)
            files = await objects.sweep()
        except Exception as error:  # a sweep must not end a worker
            _log.warning("sweep.failed", error=f"{type(error).__name__}: {error}")
        else:
            if folders or files:
                _log.info("sweep.done", folders=folders, files=files)
        await asyncio.sleep(every.total_seconds())


def _owned_folder(work_dir: Path) -> tuple[Path, int]:
    """A new folder and the descriptor of its lock, which is held before the folder is there."""
    while True:
        folder = work_dir / f"{_PREFIX}{secrets.token_hex(8)}"
        lock = os.open(_lock_of(folder), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        try:
            if _held(lock) and _is_there(lock, _lock_of(folder)):
                folder.mkdir(mode=0o700)
                return folder, lock
        except BaseException:
            os.close(lock)
            raise
        os.close(lock)  # a sweep had it first, and removes it


def _swept(folder: Path) -> bool:
    try:
        lock = os.open(_lock_of(folder), os.O_RDWR)
    except OSError:
        return _is_old(folder) and _removed(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not _is_there(lock, _lock_of(folder)):
            return False
        found = _removed(folder)
        _lock_of(folder).unlink(missing_ok=True)
        return found
    except OSError as error:  # its owner works, or there are no locks here
        return error.errno in _NO_LOCKS and _is_old(folder) and _removed(folder)
    finally:
        os.close(lock)


def _lock_of(folder: Path) -> Path:
    return folder.with_name(folder.name + _LOCK)


def _held(lock: int) -> bool:
    """Take the lock; a file system without locks leaves only the folder's age to go by."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in _NO_LOCKS
    return True


def _is_there(lock: int, path: Path) -> bool:
    """Is it still this file that lies at the path?"""
    with suppress(OSError):
        return os.path.samestat(os.fstat(lock), path.stat())
    return False


def _is_old(folder: Path) -> bool:
    with suppress(OSError):
        return folder.stat().st_mtime < time.time() - LEFT_BEHIND_SECONDS
    return False


def _removed(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True
