"""Folders for files in the making: gone when the work is, and swept when the worker was killed."""

import ast
import asyncio
import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from activities._scratch import LEFT_BEHIND_SECONDS, keep_sweeping, scratch, sweep_scratch
from studio.disk import in_work_folder
from studio.errors import WorkFolderFull
from studio.objects.store import StorePlace, open_store
from tests.house.tree import ROOT
from tests.studio_at_work import eventually


def test_a_folder_is_there_for_the_work_and_gone_afterwards(tmp_path: Path) -> None:
    with scratch(tmp_path / "deep" / "work") as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "clip.mp4").write_bytes(b"x")
        assert folder.parent == tmp_path / "deep" / "work"
    assert list((tmp_path / "deep" / "work").iterdir()) == []


def test_a_folder_is_gone_after_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no"), scratch(tmp_path) as folder:
        (folder / "clip.mp4").write_bytes(b"x")
        raise ValueError("no")
    assert list(tmp_path.iterdir()) == []


def test_two_works_do_not_meet(tmp_path: Path) -> None:
    with scratch(tmp_path) as one, scratch(tmp_path) as other:
        assert one != other


def test_a_work_may_remove_its_folder_itself(tmp_path: Path) -> None:
    with scratch(tmp_path) as folder:
        folder.rmdir()


WORKS = """
import sys
from pathlib import Path
from activities._scratch import scratch
with scratch(Path(sys.argv[1])) as folder:
    (folder / "clip.mp4").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@contextmanager
def a_worker(work_dir: Path) -> Iterator[tuple["subprocess.Popen[str]", Path]]:
    """A process in the midst of its work, and its folder."""
    argv = [sys.executable, "-c", WORKS, str(work_dir)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_what_a_killed_worker_left_is_swept_at_once_and_nothing_that_is_worked_in(tmp_path: Path) -> None:
    (tmp_path / "objects").mkdir()
    with a_worker(tmp_path) as (killed, left), a_worker(tmp_path) as (_, busy), scratch(tmp_path) as ours:
        for folder in (left, busy, ours):  # however long it takes
            os.utime(folder, (1, 1))
        assert sweep_scratch(tmp_path) == 0
        killed.kill()
        killed.wait()
        assert left.is_dir()
        assert sweep_scratch(tmp_path) == 1
        assert {path for path in tmp_path.iterdir() if path.suffix != ".lock"} == {busy, ours, tmp_path / "objects"}
        assert (busy / "clip.mp4").exists()


def test_no_lock_stays_behind(tmp_path: Path) -> None:
    with a_worker(tmp_path) as (killed, _):
        killed.kill()
        killed.wait()
    (tmp_path / "job-of-one-killed-before-its-folder-was-made.lock").touch()
    with scratch(tmp_path):
        sweep_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_lock_is_swept_when_it_is_old(tmp_path: Path) -> None:
    """As on a file system without locks."""
    then = time.time() - LEFT_BEHIND_SECONDS
    for name, changed in (("job-old", then - 60), ("job-young", then + 60), ("objects", then - 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (changed, changed))
    assert sweep_scratch(tmp_path) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job-young", "objects"]


async def test_a_worker_sweeps_the_work_folder_and_the_object_store_again_and_again(tmp_path: Path) -> None:
    objects, work = tmp_path / "objects", tmp_path / "work"
    store = open_store(StorePlace(url=objects.as_uri()))
    sweeping = asyncio.create_task(keep_sweeping(work, store, every=timedelta(milliseconds=10)))
    for _ in range(2):
        with a_worker(work) as (killed, left):
            killed.kill()
            killed.wait()
        leftover = objects / "clip.mp4#12345"
        leftover.write_bytes(b"half a file")
        os.utime(leftover, (1, 1))
        await eventually(lambda left=left, leftover=leftover: _exist(left, leftover), lambda there: not there)  # type: ignore[misc]  # bound early
    sweeping.cancel()
    await asyncio.wait([sweeping])


async def _exist(*paths: Path) -> bool:
    return any(path.exists() for path in paths)


def test_every_worker_sweeps() -> None:
    """`worker.working` runs it beside whatever queues it serves."""
    (working,) = [node for node in ast.parse((ROOT / "worker.py").read_text()).body if _called(node) == "working"]
    assert "keep_sweeping(settings.work_dir, tools.objects)" in ast.unparse(working)


def _called(node: ast.stmt) -> str:
    return getattr(node, "name", "")


def test_a_full_disk_is_told_as_that(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkFolderFull), in_work_folder():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), in_work_folder():
        (tmp_path / "none").read_text()


def test_where_nothing_was_ever_made_nothing_is_swept(tmp_path: Path) -> None:
    assert sweep_scratch(tmp_path / "work") == 0


def test_a_folder_that_goes_while_we_look_is_none_of_ours(tmp_path: Path) -> None:
    """A link that leads nowhere looks the same as a folder that went between listing and looking."""
    (tmp_path / "job-gone").symlink_to(tmp_path / "nowhere")
    assert sweep_scratch(tmp_path) == 0
