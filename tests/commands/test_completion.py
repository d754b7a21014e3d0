"""Tab completion of videos' names."""

import asyncio
import json
from pathlib import Path

import pytest

from commands.completion import video_names
from local.addresses import ADDRESSES
from tests.commands.starter import settings_of
from tests.studio_at_work import StudioAtWork


async def test_videos_are_completed_by_either_part_of_their_name(
    studio: StudioAtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("dawn", "dusk"):
        await studio.rows(
            "insert into videos (channel, video_id, workflow_id, provider, status, clip_count, revision) "
            "values ('poke1', $1, $1, 'kling', 'video_ready', 1, 0) returning 1",
            name,
        )
    monkeypatch.chdir(tmp_path)
    assert await asyncio.to_thread(video_names, "d") == []  # no stack
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / ADDRESSES).write_text(json.dumps(settings_of(studio)))
    found = {begun: sorted(await asyncio.to_thread(video_names, begun)) for begun in ("d", "da", "poke1/du", "x")}
    assert found == {"d": ["poke1/dawn", "poke1/dusk"], "da": ["poke1/dawn"], "poke1/du": ["poke1/dusk"], "x": []}
