"""Folders for files in the making: gone when the work is, and swept when the worker was killed."""

import os
import time
from pathlib import Path

import pytest

from activities._scratch import LEFT_BEHIND_SECONDS, scratch, sweep_scratch


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


def left_behind(path: Path, *, seconds: float) -> Path:
    """A folder as a killed worker leaves it, so many seconds ago."""
    path.mkdir()
    (path / "clip.mp4").write_bytes(b"x")
    then = time.time() - seconds
    os.utime(path, (then, then))
    return path


def test_what_a_killed_worker_left_a_day_ago_is_swept_and_nothing_else(tmp_path: Path) -> None:
    left_behind(tmp_path / "job-old", seconds=LEFT_BEHIND_SECONDS + 60)
    kept = [
        left_behind(tmp_path / "job-young", seconds=LEFT_BEHIND_SECONDS - 60),
        left_behind(tmp_path / "objects", seconds=10 * LEFT_BEHIND_SECONDS),
    ]
    with scratch(tmp_path) as working:
        assert sweep_scratch(tmp_path) == 1
        assert sorted(tmp_path.iterdir()) == sorted([*kept, working])


def test_where_nothing_was_ever_made_nothing_is_swept(tmp_path: Path) -> None:
    assert sweep_scratch(tmp_path / "work") == 0


def test_a_folder_that_goes_while_we_look_is_none_of_ours(tmp_path: Path) -> None:
    """A link that leads nowhere looks the same as a folder that went between listing and looking."""
    (tmp_path / "job-gone").symlink_to(tmp_path / "nowhere")
    assert sweep_scratch(tmp_path) == 0
