"""`video export` and `video open`: a video's files under names that people can read."""

import os
from pathlib import Path

import pytest

from commands.export import exported, readable_name
from commands.session import Session
from studio.contracts.video import Provider, VideoName
from tests.commands.starter import process_with, starter_with
from tests.studio_at_work import StudioAtWork

VIDEO = VideoName(channel="poke1", video_id="vid_1")
NAMES = {
    "Haunter floats down the corridor. Slow pan.": "Haunter floats down the corridor. Slow pan",
    "": "",
    "  ..hidden/../etc ": "hidden .. etc",
    "-rf: *?<>|": "rf",
    "CON\x00\x1b[31m": "CON [31m",
    "e\u0301te\u0301 in 東京": "été in 東京",
    "word " * 60: "word word word word word word word word word word word word",
    "影" * 300: "影" * 60,
    "🎬" * 300: "🎬" * 45,
}


def test_names_are_plain_short_and_safe_everywhere() -> None:
    for text, name in NAMES.items():
        assert readable_name(text) == name, text
        assert len(readable_name(text).encode()) <= 180


async def test_video_sheet_and_clips_are_copied_under_readable_names(
    studio: StudioAtWork, session: Session, tmp_path: Path
) -> None:
    result = await studio.make(await studio.request(clips=2, title="Night: the harbour", provider=Provider.ANIMATIC))
    folder, beginning = tmp_path / "out", "Haunter floats down corridor"
    done = await exported(session, VIDEO, folder)
    assert done.missing == ()
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == [
        "Night the harbour - contact sheet.png",
        "Night the harbour.mp4",
        f"clips/01 {beginning} 01 of vid_1. Slow dolly.mp4",
        f"clips/02 {beginning} 02 of vid_1. Slow dolly.mp4",
    ]
    assert done.video is not None
    assert done.video.stat().st_size == result.video.size
    os.truncate(done.video, 0)  # it is a copy: the store keeps its own
    assert await session.objects.is_intact(result.video)
    await exported(session, VIDEO, folder)
    assert done.video.stat().st_size == result.video.size


async def test_what_is_not_made_yet_is_named(studio: StudioAtWork, session: Session, tmp_path: Path) -> None:
    result = await studio.make(await studio.request(clips=2, provider=Provider.ANIMATIC))
    await session.objects.delete(result.video.key)
    await session.objects.delete("channels/poke1/videos/vid_1/clips/clip_02.mp4")
    done = await exported(session, VIDEO, tmp_path)
    assert (done.video, len(done.clips), done.missing) == (None, 1, (2,))


@pytest.fixture
def settings(studio: StudioAtWork) -> dict[str, str]:
    names = ("temporal_address", "temporal_namespace", "database_url", "object_store_url", "work_dir")
    return {name.upper(): str(getattr(studio.settings, name)) for name in names}


async def test_open_shows_a_copy_with_the_desktops_program(
    studio: StudioAtWork, settings: dict[str, str], tmp_path: Path
) -> None:
    await studio.make(await studio.request(clips=1, title="Night", provider=Provider.ANIMATIC))
    opener, seen = tmp_path / "bin" / "xdg-open", tmp_path / "seen"
    opener.parent.mkdir()
    opener.write_text(f'#!/bin/sh\necho "$1" > "{seen}"\n')
    opener.chmod(0o755)
    path = f"{opener.parent}:{os.environ['PATH']}"
    done = await process_with(settings, tmp_path / "none")("video", "open", "vid_1", PATH=path)
    assert done.code == 0, done.stderr
    shown = tmp_path / "none" / "exports" / "poke1" / "vid_1" / "Night.mp4"
    assert shown.exists() and str(shown) in done.stdout
    assert Path(seen.read_text().strip()) == shown


async def test_a_video_there_is_none_of_is_said_with_the_next_command(settings: dict[str, str], tmp_path: Path) -> None:
    starter = starter_with(settings, tmp_path / "stack")
    for command in ("export", "open"):
        done = await starter("video", command, "nothing")
        assert done.code == 2
        assert "No video is called nothing" in done.stderr and "video list" in done.stderr
    done = await starter("video", "open", "nothing", "--what", "sound")
    assert done.code == 2 and "video, sheet or folder" in done.stderr
