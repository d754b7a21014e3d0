"""The one place that starts ffmpeg."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import ffmpeg
import psutil
import pytest

from studio.errors import FfmpegFailed, MediaError, WorkFolderFull
from studio.media import _ffmpeg
from studio.media._part import written_whole
from tests.house.tree import ROOT
from tests.studio.media.conftest import Clips

FRAME = (bytes(64 * 36), bytes(32 * 18), bytes(32 * 18))
RAW = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x36", "-r", "24", "-i", "pipe:0")


def slow_encode(target: Path) -> list[str]:
    """A command that would work for a minute: it reads its input in real time."""
    return [_ffmpeg.binary(), "-re", "-f", "lavfi", "-i", "testsrc=d=60:s=64x36:r=24", str(target)]


def bad_program(folder: Path, code: str) -> list[str]:
    """An executable that ignores every ffmpeg option and runs `code`."""
    path = folder / "bad_ffmpeg"
    path.write_text(f"#!{sys.executable}\n{code}\n")
    path.chmod(0o755)
    return [str(path)]


def processes_naming(text: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if any(text in part for part in process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(240):
        while not condition():  # noqa: ASYNC110 - nobody tells us when another process has got so far
            await asyncio.sleep(0.02)


def test_the_ffmpeg_package_is_ffmpeg_python_not_typed_ffmpeg() -> None:
    # Both install the import package "ffmpeg"; with both, ours vanishes.
    assert hasattr(ffmpeg, "run_async")


def test_the_binary_can_be_chosen_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "my-ffmpeg"))
    assert _ffmpeg.binary() == str(tmp_path / "my-ffmpeg")


async def test_frames_are_counted_while_ffmpeg_works(clips: Clips, tmp_path: Path) -> None:
    counts: list[int] = []
    await _ffmpeg.run([_ffmpeg.binary(), "-i", str(clips()), str(tmp_path / "out.mp4")], on_frame=counts.append)
    assert counts == sorted(counts)
    assert counts[-1] == 48


async def test_a_failure_says_what_ffmpeg_said(tmp_path: Path) -> None:
    with pytest.raises(FfmpegFailed, match=r"(?s)status \d+.*no-such-file\.mp4"):
        await _ffmpeg.run([_ffmpeg.binary(), "-i", str(tmp_path / "no-such-file.mp4"), str(tmp_path / "out.mp4")])


async def test_a_flood_on_stderr_neither_blocks_nor_fills_the_memory(tmp_path: Path) -> None:
    flood = bad_program(tmp_path, "import sys\nfor n in range(40000): print('line', n, file=sys.stderr)")
    said = await asyncio.wait_for(_ffmpeg.run(flood), 240)
    assert said.endswith("line 39999")
    assert len(said) <= _ffmpeg.TAIL_BYTES


async def test_cancelling_leaves_no_process(tmp_path: Path) -> None:
    target = tmp_path / "never.mp4"
    running = asyncio.create_task(_ffmpeg.run(slow_encode(target)))
    await until(lambda: bool(processes_naming(str(target))))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert processes_naming(str(target)) == []


async def test_an_ffmpeg_that_ignores_the_signal_is_killed(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    stubborn = bad_program(
        tmp_path,
        "import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(mark)!r}).touch()\ntime.sleep(600)",
    )
    running = asyncio.create_task(_ffmpeg.run(stubborn))
    await until(mark.exists)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 240)
    assert processes_naming(stubborn[0]) == []


async def test_a_second_cancellation_during_the_grace_kills_at_once(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    stubborn = bad_program(
        tmp_path,
        "import pathlib, signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(mark)!r}).touch()\ntime.sleep(600)",
    )
    running = asyncio.create_task(_ffmpeg.run(stubborn))
    await until(mark.exists)
    running.cancel()
    await asyncio.sleep(0.1)
    before = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - before < _ffmpeg.GRACE_SECONDS - 0.15
    assert processes_naming(stubborn[0]) == []


async def test_a_listener_that_fails_ends_ffmpeg_too(tmp_path: Path) -> None:
    target = tmp_path / "never.mp4"

    def refuse(frames: int) -> None:
        raise RuntimeError("the activity was cancelled")

    with pytest.raises(RuntimeError, match="the activity was cancelled"):
        await _ffmpeg.run(slow_encode(target), on_frame=refuse)
    assert processes_naming(str(target)) == []


def test_feeding_writes_every_frame(tmp_path: Path) -> None:
    target = tmp_path / "fed.mp4"
    said = _ffmpeg.feed([_ffmpeg.binary(), *RAW, str(target)], [FRAME] * 30)
    assert said == ""
    assert target.stat().st_size > 0


def test_feeding_an_ffmpeg_that_dies_says_why(tmp_path: Path) -> None:
    with pytest.raises(FfmpegFailed, match="no_such_codec"):
        _ffmpeg.feed([_ffmpeg.binary(), *RAW, "-c:v", "no_such_codec", str(tmp_path / "out.mp4")], [FRAME] * 500)


def test_feeding_stops_from_another_thread_while_ffmpeg_takes_nothing(tmp_path: Path) -> None:
    deaf = bad_program(tmp_path, "import time\ntime.sleep(600)")
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    big = (bytes(4_000_000),)  # more than fits into the pipe
    before = time.monotonic()
    with pytest.raises(MediaError, match="stopped"):
        _ffmpeg.feed(deaf, [big] * 10, stop=stop)
    assert time.monotonic() - before < 240
    assert processes_naming(deaf[0]) == []


def test_a_fault_in_the_frames_ends_ffmpeg(tmp_path: Path) -> None:
    target = tmp_path / "never.mp4"

    def frames() -> Iterator[tuple[bytes, ...]]:
        yield FRAME
        raise RuntimeError("no more paint")

    with pytest.raises(RuntimeError, match="no more paint"):
        _ffmpeg.feed([_ffmpeg.binary(), *RAW, str(target)], frames())
    assert processes_naming(str(target)) == []


def test_feeding_works_with_more_than_a_thousand_open_files(tmp_path: Path) -> None:
    # select() fails above file descriptor 1023, and a busy worker has that many.
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1_200:
        pytest.skip("this system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1_200), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_050)]
    try:
        _ffmpeg.feed([_ffmpeg.binary(), *RAW, str(tmp_path / "out.mp4")], [FRAME] * 3)
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "video.mp4"
    with written_whole(target) as part:
        part.write_bytes(b"whole")
        assert not target.exists()
        assert part.parent == target.parent
        assert part.name.endswith(".part.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]


def test_a_file_that_fails_half_way_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "video.mp4"
    target.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_whole(target) as part:
        part.write_bytes(b"half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["video.mp4"]
    assert target.read_bytes() == b"old"


async def test_a_full_disk_is_told_as_that(clips: Clips) -> None:
    with pytest.raises(WorkFolderFull):
        await _ffmpeg.run([_ffmpeg.binary(), "-i", str(clips()), "-f", "mpegts", "/dev/full"])


# ── when our process is killed ───────────────────────────────────────────

RUNS = """
import asyncio, sys
from studio.media import _ffmpeg
asyncio.run(_ffmpeg.run(sys.argv[1:]))
"""
FEEDS = """
import itertools, sys, threading
from studio.media import _ffmpeg
frames = itertools.repeat((bytes(64 * 36), bytes(32 * 18), bytes(32 * 18)))
thread = threading.Thread(target=lambda: _ffmpeg.feed(sys.argv[1:], frames))
thread.start()
"""


@pytest.mark.parametrize("program", [RUNS, FEEDS], ids=["run", "feed"])
async def test_ffmpeg_ends_when_its_worker_is_killed(tmp_path: Path, program: str) -> None:
    """An encoder that goes on alone writes into a folder that the next worker sweeps."""
    target = tmp_path / "out.mp4"
    argv = slow_encode(target) if program is RUNS else [_ffmpeg.binary(), *RAW, str(target)]
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *argv, cwd=ROOT)

    def encoders() -> list[psutil.Process]:
        return [process for process in processes_naming(str(target)) if process.pid != worker.pid]

    await until(lambda: bool(encoders()) and target.exists())
    worker.kill()
    await worker.wait()
    await until(lambda: not encoders())


async def test_ffmpeg_gets_no_setting_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KIE_API_KEY", "PLANTED")
    shows = bad_program(tmp_path, "import os, sys\nfor name in os.environ: print(name, file=sys.stderr)")
    for said in (await _ffmpeg.run(shows), await asyncio.to_thread(_ffmpeg.feed, shows, [])):
        assert {"PATH"} <= set(said.split()) <= {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "PWD", "LC_CTYPE", "_"}
