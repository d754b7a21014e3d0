"""A folder as an object store, on the real file system: nothing is shared, half written, or left behind."""

import asyncio
import fcntl
import hashlib
import os
import resource
import stat
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest

from studio.contracts.base import MediaRef
from studio.errors import InvalidRequest, MediaChanged, ObjectStoreUnavailable, WorkFolderFull
from studio.objects.folder import Folder
from studio.objects.store import LEFTOVER_AGE, ObjectStore, StorePlace, open_store

TAKE = "channels/poke1/takes/0a1b.mp4"
PLACE = "channels/poke1/videos/vid_1/clips/clip_01.mp4"
OLD = 2 * LEFTOVER_AGE.total_seconds()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def store(root: Path) -> ObjectStore:
    return open_store(StorePlace(url=root.as_uri()))


def written(path: Path, content: bytes = b"a clip") -> Path:
    path.write_bytes(content)
    return path


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


async def test_a_take_shares_nothing_with_its_copies_whichever_is_written_to(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    """As an editor does that writes in place, which permissions do not stop when it is root."""
    media = await store.put_new(written(tmp_path / "clip"), TAKE, "video/mp4")
    await store.copy(TAKE, PLACE)
    for key in (TAKE, PLACE):
        assert (root / key).stat().st_nlink == 1
    (root / PLACE).write_bytes(b"edited")
    assert await store.is_intact(media)
    await store.copy(TAKE, PLACE)
    (root / TAKE).chmod(0o644)
    (root / TAKE).write_bytes(b"edited")
    assert (root / PLACE).read_bytes() == b"a clip"
    assert not await store.is_intact(media)
    assert await store.is_intact(media.model_copy(update={"key": PLACE}))


async def test_what_is_never_replaced_is_read_only_and_everything_else_is_not(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    clip = written(tmp_path / "clip")
    await store.put_new(clip, TAKE, "video/mp4")
    await store.copy(TAKE, PLACE)
    await store.copy(PLACE, f"{TAKE}.mp4", new=True)
    modes = {key: stat.S_IMODE((root / key).stat().st_mode) for key in (TAKE, PLACE, f"{TAKE}.mp4")}
    assert modes[TAKE] == modes[f"{TAKE}.mp4"] == 0o444
    assert modes[PLACE] & 0o200
    await store.put(clip, PLACE, "video/mp4")
    await store.copy(TAKE, TAKE)
    await store.delete(TAKE)
    assert await store.size(TAKE) is None


async def test_reading_refuses_more_than_the_reference_says_before_it_reads(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    """Three gibibytes behind a reference of 1,000 bytes, or of any length, take neither memory nor room."""
    (root / "channels").mkdir()
    with (root / "channels" / "still.png").open("wb") as file:
        file.truncate(3 << 30)
    tracemalloc.start()
    for size, error in ((1_000, MediaChanged), (0, InvalidRequest), (3 << 30, InvalidRequest)):
        media = MediaRef(key="channels/still.png", sha256="0" * 64, mime="image/png", size=size)
        with pytest.raises(error):
            await store.read(media)
        if size != 3 << 30:
            with pytest.raises(error):
                await store.fetch(media, tmp_path / "still")
    assert await store.peek("channels/still.png") is None
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()
    assert not (tmp_path / "still").exists()


async def test_a_short_or_another_file_of_the_same_length_is_refused(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    media = await store.put(written(tmp_path / "clip"), PLACE, "video/mp4")
    for content in (b"a cli", b"a clap", b"a clips", b""):
        (root / PLACE).write_bytes(content)
        with pytest.raises(MediaChanged):
            await store.read(media)
        with pytest.raises(MediaChanged):
            await store.fetch(media, tmp_path / "back")
        assert not (tmp_path / "back").exists()


async def test_a_full_disk_is_told_as_that_and_is_worth_another_try(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    """The system's limit on the length of files stands for a disk that is full."""
    big = written(tmp_path / "clip", bytes(1 << 20))
    media = await store.put(big, PLACE, "video/mp4")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, hard))
    try:
        for storing in (store.put(big, TAKE, "video/mp4"), store.put_new(big, TAKE, "video/mp4")):
            with pytest.raises(ObjectStoreUnavailable, match="No space left in the object store") as full:
                await storing
            assert full.value.retryable
        with pytest.raises(ObjectStoreUnavailable, match="No space left"):
            await store.copy(PLACE, TAKE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(root) == ["clip_01.mp4"]
    for content in (b"small", bytes(1 << 20)):
        media = await store.put(written(tmp_path / "clip", content), PLACE, "video/mp4")
        (tmp_path / "full").symlink_to("/dev/full")
        with pytest.raises(WorkFolderFull):
            await store.fetch(media, tmp_path / "full")


async def test_what_killed_writers_leave_is_swept_and_what_is_being_written_is_not(
    store: ObjectStore, root: Path, tmp_path: Path
) -> None:
    media = await store.put(written(tmp_path / "clip"), PLACE, "video/mp4")
    folder = (root / PLACE).parent
    names = {"left": "clip_01.mp4#17", "fresh": "clip_01.mp4#18", "locked": "clip_02.mp4#19", "theirs": "notes #1 x"}
    paths = {kind: written(folder / name) for kind, name in names.items()}
    for kind in ("left", "locked", "theirs"):
        long_ago = paths[kind].stat().st_mtime - OLD
        os.utime(paths[kind], (long_ago, long_ago))
    with paths["locked"].open("rb") as writer:
        fcntl.flock(writer, fcntl.LOCK_EX)
        assert await store.sweep() == 1
        assert {kind for kind, path in paths.items() if path.exists()} == {"fresh", "locked", "theirs"}
    assert await store.sweep() == 1
    assert await store.read(media) == b"a clip"
    assert await store.keys("channels/poke1/videos") == [PLACE, str(paths["theirs"].relative_to(root))]


async def test_a_writer_holds_its_temporary_file_so_that_no_sweep_takes_it(root: Path, tmp_path: Path) -> None:
    """A sweep for which every file is old enough goes on while files are written: nothing is lost."""
    folder, sweeping = Folder(root), True

    async def sweep() -> None:
        while sweeping:
            await asyncio.to_thread(folder.sweep, older_than=timedelta(seconds=-1))

    clip = written(tmp_path / "clip", bytes(1 << 20))
    sweeper = asyncio.create_task(sweep())
    for number in range(40):
        await asyncio.to_thread(folder.put_new, clip, f"takes/{number}.mp4")
        await asyncio.to_thread(folder.copy, f"takes/{number}.mp4", f"videos/{number}.mp4")
    sweeping = False
    await sweeper
    digest = hashlib.sha256(bytes(1 << 20)).hexdigest()
    assert {folder.digest(f"{kind}/{n}.mp4") for kind in ("takes", "videos") for n in range(40)} == {(digest, 1 << 20)}
    assert not [name for name in files(root) if "#" in name]


async def test_keys_that_lead_elsewhere_are_refused(store: ObjectStore, root: Path, tmp_path: Path) -> None:
    clip = written(tmp_path / "clip")
    for key in ("../x", "/etc/x", "a//b", "a/./b", "a/../b", "a/b#1", "a b", "", ".", "a\nb", "a/b\n", "ä"):
        for storing in (store.put(clip, key, "x"), store.put_new(clip, key, "x"), store.copy(PLACE, key)):
            with pytest.raises((InvalidRequest, ValueError)):
                await storing
    assert files(root) == []
