"""A video's clips as a table for people: live on a terminal, plain lines elsewhere."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from studio.contracts.clip import ClipStatus
from studio.contracts.video import ClipProgress, VideoProgress, VideoStatus

STYLES = {
    ClipStatus.QUEUED: "dim",
    ClipStatus.HOSTING: "blue",
    ClipStatus.WAITING: "magenta",
    ClipStatus.SUBMITTING: "yellow",
    ClipStatus.RENDERING: "cyan",
    ClipStatus.KEEPING: "blue",
    ClipStatus.DONE: "green",
    ClipStatus.FAILED: "bold red",
    ClipStatus.UNKNOWN: "bold yellow",
    ClipStatus.HELD: "bold magenta",
    ClipStatus.CANCELLED: "dim red",
}
SETTLED = (VideoStatus.VIDEO_ERROR, VideoStatus.BUDGET_REACHED, *(one for one in VideoStatus if one.ended))
"""Statuses in which a video does nothing more by itself."""

_REACHED = {
    ClipStatus.HOSTING: 0.03,
    ClipStatus.WAITING: 0.08,
    ClipStatus.SUBMITTING: 0.12,
    ClipStatus.RENDERING: 0.15,
    ClipStatus.KEEPING: 0.95,
    ClipStatus.DONE: 1.0,
}
_SPARE_LINES = 8
_WIDE = 90
"""Columns of a terminal from which on all of a table is shown."""
_LOOKS_PER_SECOND = 2


def fraction(clip: ClipProgress, now: datetime, typical_seconds: float) -> float:
    """How far a clip is, 0 to 1. Kling tells no progress, so rendering is guessed from its typical time."""
    reached = _REACHED.get(clip.status, 0.0)
    if clip.status is ClipStatus.RENDERING and clip.since is not None:
        waited = max((now - clip.since).total_seconds(), 0.0)
        reached += 0.8 * waited / (waited + typical_seconds / 3) if typical_seconds else 0.0
    return reached


def render(progress: VideoProgress, *, typical_seconds: float, height: int = 60, width: int = 160) -> Panel:
    """The whole video as a panel. On a small screen only the clips that are on their way are shown."""
    now = datetime.now(UTC)
    shares = {clip.number: fraction(clip, now, typical_seconds) for clip in progress.clips}
    total = sum(shares.values()) / max(len(shares), 1)
    head = Text.assemble(
        (f"{progress.done}/{progress.total} clips  ", "bold"),
        (f"{total:4.0%}  ", "bold cyan"),
        f"{progress.status}: {progress.step}  ",
        (f"{progress.cost_usd:.2f} USD", "bold"),
    )
    body: list[Text | Table] = [head, clip_table(progress, shares, height=height, width=width)]
    if progress.message:
        body.append(Text(progress.message, style="red" if progress.status is VideoStatus.VIDEO_ERROR else "dim"))
    return Panel(Group(*body), title=f"{progress.channel} / {progress.video_id}", border_style="blue", expand=False)


def clip_table(progress: VideoProgress, shares: dict[int, float], *, height: int, width: int) -> Table:
    """One row per clip: state, bar, tries, cost, note; without bar and tries where there is no room for a note."""
    is_wide = width >= _WIDE
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    table.add_column("clip", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    if is_wide:
        table.add_column("", no_wrap=True)
        table.add_column("tries", justify="right", no_wrap=True)
    table.add_column("USD", justify="right", no_wrap=True)
    table.add_column("note", max_width=60)
    rows = progress.clips
    if len(rows) > height - _SPARE_LINES:
        rows = [clip for clip in rows if clip.status not in (ClipStatus.DONE, ClipStatus.QUEUED)]
    for clip in rows[: max(height - _SPARE_LINES, 5)]:
        bar: list[RenderableType] = [
            ProgressBar(total=1.0, completed=shares[clip.number], width=24),
            str(clip.tries or ""),
        ]
        table.add_row(
            f"{clip.number:02d}",
            Text(clip.status, style=STYLES[clip.status]),
            *(bar if is_wide else []),
            f"{clip.cost_usd:.2f}" if clip.cost_usd else "",
            Text(clip.note, style="dim"),
        )
    return table


async def follow(
    look: Callable[[], Awaitable[VideoProgress]], console: Console, *, typical_seconds: float
) -> VideoProgress:
    """Show a video until it does nothing more by itself; returns how it stands then."""
    progress = await look()
    if not console.is_terminal:
        return await _follow_in_lines(look, console, progress)
    with Live(console=console, refresh_per_second=4) as live:
        while True:
            live.update(render(progress, typical_seconds=typical_seconds, height=console.height, width=console.width))
            if progress.status in SETTLED:
                return progress
            await asyncio.sleep(1 / _LOOKS_PER_SECOND)
            progress = await look()


async def _follow_in_lines(
    look: Callable[[], Awaitable[VideoProgress]], console: Console, progress: VideoProgress
) -> VideoProgress:
    seen: set[str] = set()

    def say(line: str) -> None:
        """A line that was there already says nothing new: states and steps come and go while clips wait and retry."""
        if line not in seen:
            seen.add(line)
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    while True:
        say(f"video    {progress.status}: {progress.step}")
        for clip in progress.clips:
            if clip.status is not ClipStatus.QUEUED:
                tries = f" (try {clip.tries})" if clip.tries > 1 else ""
                say(f"clip {clip.number:02d} {clip.status}{tries}{f'  {clip.note}' if clip.note else ''}")
        if progress.status in SETTLED:
            return progress
        await asyncio.sleep(1 / _LOOKS_PER_SECOND)
        progress = await look()
