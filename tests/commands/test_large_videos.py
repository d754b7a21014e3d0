"""A video file that is too large to travel through Temporal is refused before any still is stored."""

from pathlib import Path

import pytest
import yaml

from studio.contracts.base import MediaRef
from studio.contracts.clip import ClipId
from tests.commands.starter import Starter, settings_of, starter_with
from tests.studio_at_work import StudioAtWork


@pytest.fixture
def starter(studio: StudioAtWork, tmp_path: Path) -> Starter:
    """Commands that find this studio."""
    return starter_with(settings_of(studio), tmp_path / "data", "video")


async def test_500_clips_of_1300_chinese_characters_are_refused_with_the_figures_and_nothing_is_stored(
    studio: StudioAtWork, starter: Starter, tmp_path: Path
) -> None:
    still: MediaRef = await studio.still(ClipId(channel="poke1", video_id="a", number=1))
    before = await studio.objects.keys("channels")
    clips = [{"still": "poke1-a-1.png", "prompt": "幽靈飄過走廊" * 216 + "。慢慢推近"} for _ in range(500)]
    video = {"channel": "poke2", "video": "long", "width": 192, "height": 108, "clips": clips}
    path = tmp_path / "video.yaml"
    path.write_text(yaml.safe_dump(video, allow_unicode=True))
    for command in ("start", "request", "plan"):
        done = await starter(command, str(path))
        assert done.code != 0
        assert "bytes as JSON, at most 1,900,000 are allowed" in done.stderr
    assert await studio.objects.keys("channels") == before == [still.key]
    assert await studio.rows("select 1 from videos") == []
