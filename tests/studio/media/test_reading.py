"""Files of strangers are read in processes apart: with little memory, without secrets, replaced when they end."""

import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import psutil
import pytest

from studio.errors import BadClip, ClipUnreadable, MediaError, StorageUnavailable
from studio.media import _reading
from studio.media.frames import frame_at, last_frame
from studio.media.length import audio_seconds
from studio.media.probe import probe
from studio.media.verify import Ordered, examine_clip, verify_clip
from tests.house.tree import ROOT
from tests.studio.media.conftest import Clips, Ff

ORDERED = Ordered(seconds=2, width=64, height=36, moving=False)


@pytest.fixture(autouse=True)
def readers() -> Iterator[_reading._Readers]:
    """All readers fresh, and gone afterwards."""
    _reading._READERS.end()
    yield _reading._READERS
    _reading._READERS.end()


def box(name: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I", 8 + len(body)) + name + body


def full(name: bytes, *words: int) -> bytes:
    return box(name, struct.pack(f">{1 + len(words)}I", 0, *words))


def bomb(*, samples: int = 60_000_000) -> bytes:
    """A short MP4 whose index claims millions of frames; a demuxer makes room for each of them."""
    entry = box(
        b"mp4v",
        bytes(6) + struct.pack(">H", 1) + bytes(16),
        struct.pack(">HHIIIH", 64, 36, 72 << 16, 72 << 16, 0, 1) + bytes(32) + struct.pack(">Hh", 24, -1),
    )
    table = box(
        b"stbl",
        box(b"stsd", struct.pack(">II", 0, 1), entry),
        full(b"stts", 1, samples, 1),
        full(b"stsc", 1, 1, samples, 1),
        full(b"stsz", 1, samples),
        full(b"stco", 1, 40),
    )
    media = box(
        b"mdia",
        box(b"mdhd", struct.pack(">IIIIIHH", 0, 0, 0, 24, 48, 0x55C4, 0)),
        box(b"hdlr", bytes(8) + b"vide" + bytes(13)),
        box(b"minf", full(b"vmhd", 0, 0), table),
    )
    track = box(b"trak", box(b"tkhd", struct.pack(">6I", 7, 0, 0, 1, 0, 48) + bytes(60)), media)
    movie = box(b"mvhd", struct.pack(">5I", 0, 0, 0, 24, 48) + bytes(80))
    return box(b"ftyp", b"isom", bytes(4), b"isom") + box(b"mdat", bytes(8)) + box(b"moov", movie, track)


# ── memory ───────────────────────────────────────────────────────────────


def peak_memory(pid: int) -> int:
    """Bytes that a process has held at most."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def test_a_small_file_that_asks_for_gigabytes_gets_one_at_most(tmp_path: Path, readers: _reading._Readers) -> None:
    """Read in this process it takes 2.2 GB and eleven seconds."""
    path = tmp_path / "bomb.mp4"
    path.write_bytes(bomb())
    assert path.stat().st_size < 1_000
    before = peak_memory(os.getpid())
    for read in (verify_clip, examine_clip):
        with pytest.raises(BadClip, match=r"^bomb\.mp4: "):
            read(path, ORDERED)
    with pytest.raises(BadClip, match=r"^bomb\.mp4: "):
        last_frame(path)
    assert all(peak_memory(pid) < _reading.MEMORY_BYTES + (300 << 20) for pid in readers.pids())
    assert peak_memory(os.getpid()) - before < 100 << 20


def test_what_takes_more_memory_than_a_clip_may_is_refused_in_words_and_the_next_file_is_read(
    tmp_path: Path, clips: Clips, ff: Ff, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large.mp4"
    ff("-f", "lavfi", "-i", "color=s=8192x8192:d=0.1:r=10", "-preset", "ultrafast", large)
    expected = probe(clips())
    _reading._READERS.end()
    monkeypatch.setattr(_reading, "MEMORY_BYTES", 128 << 20)
    assert probe(clips()) == expected
    with pytest.raises(BadClip, match=r"^large\.mp4: "):
        last_frame(large)
    assert probe(clips()) == expected


# ── readers that end ─────────────────────────────────────────────────────


def test_a_reader_lives_on_between_calls_and_one_that_was_killed_meanwhile_is_replaced(
    clips: Clips, readers: _reading._Readers
) -> None:
    expected = probe(clips())
    (first,) = readers.pids()
    assert probe(clips()) == expected
    assert readers.pids() == [first]
    os.kill(first, signal.SIGKILL)
    assert probe(clips()) == expected
    (second,) = readers.pids()
    assert second != first


@contextmanager
def opened_by_reader(pipe: Path, reading: "Future[Any]") -> Iterator[None]:
    """Wait until a reader has begun to read a named pipe, and let it wait for the first byte."""
    while not reading.done():
        try:
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # not open for reading yet
            continue
        yield
        os.close(descriptor)
        return
    reading.result()


def test_a_reader_that_is_killed_in_a_call_says_nothing_about_the_file(
    tmp_path: Path, readers: _reading._Readers
) -> None:
    """The system kills what takes too much of its memory: a clip that was paid for must not be refused for that."""
    pipe = tmp_path / "endless.mp4"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(probe, pipe)
        with opened_by_reader(pipe, reading):
            (reader,) = (child for child in psutil.Process().children() if "studio.media._reader" in child.cmdline())
            reader.kill()
            with pytest.raises(StorageUnavailable):
                reading.result()
    assert StorageUnavailable.retryable


def test_a_file_that_ends_or_stalls_its_reader_is_refused_in_words(
    tmp_path: Path, clips: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = tmp_path / "clip.mp4"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as threads:
        reading = threads.submit(probe, pipe)
        with opened_by_reader(pipe, reading):
            (reader,) = (child for child in psutil.Process().children() if "studio.media._reader" in child.cmdline())
            reader.send_signal(signal.SIGSEGV)
            with pytest.raises(ClipUnreadable, match=r"^clip\.mp4: it ends the process that reads it$"):
                reading.result()
    probe(clips())  # a reader is there: starting one may take longer
    monkeypatch.setattr(_reading, "LONGEST_SECONDS", 2.0)
    with pytest.raises(ClipUnreadable, match=r"^clip\.mp4: it cannot be read within 2 seconds$"):
        probe(pipe)


def test_no_reader_is_left_when_its_process_is_killed(tmp_path: Path, clips: Clips) -> None:
    program = "import sys; from pathlib import Path; from studio.media import _reading, probe\n"
    program += "probe.probe(Path(sys.argv[1])); print(_reading._READERS.pids()[0], flush=True); sys.stdin.read()"
    argv = [sys.executable, "-c", program, str(clips())]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reader = psutil.Process(int(process.stdout.readline()))
        process.kill()
    reader.wait(timeout=60)


def test_a_reader_outlives_the_thread_that_called_first(clips: Clips, readers: _reading._Readers) -> None:
    thread = threading.Thread(target=probe, args=(clips(),))
    thread.start()
    thread.join()
    (reader,) = readers.pids()
    probe(clips())
    assert readers.pids() == [reader]


def test_many_threads_read_at_once(clips: Clips) -> None:
    with ThreadPoolExecutor(12) as threads:
        found = list(threads.map(probe, [clips()] * 24))
    assert len(set(found)) == 1
    readers = [child for child in psutil.Process().children() if "studio.media._reader" in " ".join(child.cmdline())]
    assert len(readers) <= _reading.MOST_READERS


# ── what a reader knows, and what it may say ─────────────────────────────


def test_a_reader_has_no_setting_of_ours(
    clips: Clips, readers: _reading._Readers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KIE_API_KEY", "PLANTED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "PLANTED")
    probe(clips())
    (pid,) = readers.pids()
    told = psutil.Process(pid).environ()
    assert "PLANTED" not in str(told)
    usual = {"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"}
    assert told.keys() <= usual | {"PWD", "OLDPWD", "SHLVL", "_", "LC_CTYPE"}


class Harmful:
    """A value that runs a function of its choice where it is read."""

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.system, ("echo harmful",)


def test_an_answer_can_hold_values_only() -> None:
    """A reader that a file has taken over answers what it likes."""
    import io

    assert _reading._Answers(io.BytesIO(pickle.dumps(("value", Fraction(1, 3))))).load() == ("value", Fraction(1, 3))
    with pytest.raises(pickle.UnpicklingError, match="system"):
        _reading._Answers(io.BytesIO(pickle.dumps(("value", Harmful())))).load()


def test_errors_keep_their_kind_and_their_fault(tmp_path: Path, clips: Clips) -> None:
    page = tmp_path / "clip.mp4"
    page.write_bytes(b"<html></html>")
    with pytest.raises(ClipUnreadable, match=r"^clip\.mp4: it is a web page, not a video$"):
        probe(page)
    with pytest.raises(BadClip) as refused:
        examine_clip(clips(), Ordered(seconds=9, width=64, height=36, moving=False))
    assert refused.value.fault.startswith("length")
    with pytest.raises(MediaError, match="no such file"):
        audio_seconds(tmp_path / "none.mp3")


def test_pictures_come_back_as_they_were_decoded(clips: Clips) -> None:
    assert frame_at(clips(), 0).size == last_frame(clips()).size == (320, 180)
