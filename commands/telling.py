"""What commands about a video say, to people and to programs."""

import asyncio
from collections.abc import Iterable, Mapping

from rich.table import Table
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError

from commands.running import Handle, settled
from commands.session import Session, err, fail, out, show_json
from commands.statuses import see_named
from commands.table import follow
from studio.contracts.video import VideoName, VideoProgress, VideoResult, VideoStatus

TYPICAL_SECONDS = 150.0
"""How long Kling takes for a clip, typically; for bars and estimates only."""


async def watch(session: Session, handle: Handle, as_json: bool) -> None:
    """Show a video until it is ready; ends the command when it needs a person, or has ended otherwise."""
    name = VideoName(**dict(zip(("channel", "video_id"), handle.id.split("/")[1:], strict=True)))
    called, told = f"{name.channel}/{name.video_id}", set[str]()

    async def look() -> VideoProgress:
        seen = await see_named(session, name)
        if seen.note and seen.note not in told:
            told.add(seen.note)
            note([seen.note])
        return seen.progress

    try:
        if as_json:
            progress = await settled(look)
        else:
            progress = await follow(look, out, typical_seconds=TYPICAL_SECONDS / session.settings.kie_speed)
    except asyncio.CancelledError:  # Ctrl-C ends the command, not the video
        note([f"{called} goes on: `watch {called}` shows it, `video cancel {called}` cancels it"])
        raise
    outcome = await session.videos.result(name.channel, name.video_id)
    if progress.status is not VideoStatus.VIDEO_READY or outcome is None:
        if as_json:
            show_json(progress)
        next_step = "" if progress.status.ended else f" - Mend it, then `video resume {called}`"
        fail(f"{progress.status}: {progress.message}{next_step}")
    show_json(outcome) if as_json else show_result(session, outcome)


def show_result(session: Session, outcome: VideoResult) -> None:
    """A finished video for people."""
    table = Table("component", "USD", "calls", "units", title="Costs", title_justify="left", box=None)
    for cost in outcome.costs:
        table.add_row(cost.component, f"{cost.cost_usd:.2f}", str(cost.api_calls), str(cost.units))
    table.add_row("total", f"{outcome.total_cost_usd:.2f}", "", "", style="bold")
    out.print(table)
    out.print(f"video   {session.place(outcome.video.key)}", soft_wrap=True, highlight=False)
    out.print(f"sheet  {session.place(outcome.sheet.key)}", soft_wrap=True, highlight=False)
    out.print(f"{outcome.summary}; {outcome.seconds:.2f} s, {outcome.frames} frames", highlight=False)
    for line in outcome.notes:
        out.print(f"{line}.", highlight=False)


def cause_of(error: WorkflowFailureError) -> str:
    """Why a video's workflow failed."""
    cause = error.cause
    return f"{cause.type}: {cause.message}" if isinstance(cause, ApplicationError) else str(cause)


def say(value: Mapping[str, object], words: str, as_json: bool) -> None:
    """The same for programs or for people."""
    show_json(value) if as_json else out.print(words, highlight=False, markup=False)


def note(lines: Iterable[str]) -> None:
    """What people should know, beside what the command prints."""
    for line in lines:
        err.print(line, highlight=False, markup=False, soft_wrap=True)
