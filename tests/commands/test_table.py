"""Tables for people: what fits, and what is said once."""

import asyncio
import io
from decimal import Decimal

from rich.console import Console

from commands.table import follow, render
from studio.contracts.clip import ClipStatus
from studio.contracts.video import ClipProgress, VideoProgress, VideoStatus


def progress(*states: ClipStatus, status: VideoStatus = VideoStatus.PROCESSING, step: str = "making") -> VideoProgress:
    clips = [
        ClipProgress(number=n, status=state, cost_usd=Decimal("0.21"), tries=1, note="a long note about this clip " * 3)
        for n, state in enumerate(states, start=1)
    ]
    return VideoProgress(
        channel="poke1", video_id="vid_1", status=status, step=step, total=len(clips), done=0, clips=clips,
        cost_usd=Decimal(1),
    )  # fmt: skip


def test_a_table_fits_into_sixty_columns_with_all_it_says() -> None:
    for width in (60, 80, 160):
        text = io.StringIO()
        console = Console(file=text, width=width)
        console.print(render(progress(*ClipStatus), typical_seconds=1, height=100, width=width))
        shown = text.getvalue()
        assert max(map(len, shown.splitlines())) <= width
        for state in ClipStatus:
            assert state in shown, (width, state)
        assert "0.21" in shown and "about" in shown


def test_a_line_is_said_once_however_often_a_step_comes_back() -> None:
    looks = [progress(ClipStatus.WAITING, step=step) for step in ("a", "b", "a", "b", "a")]
    looks += [progress(ClipStatus.FAILED, status=status) for status in (VideoStatus.PROCESSING, VideoStatus.TERMINATED)]
    left = iter(looks)

    async def look() -> VideoProgress:
        return next(left)

    text = io.StringIO()
    asyncio.run(follow(look, Console(file=text, width=80), typical_seconds=1))
    lines = text.getvalue().splitlines()
    assert len(lines) == len(set(lines)) == 6
