"""What Longtake adds to a clip: the provider takes 0.2 s, so nearly everything that is measured is ours.

Extra seconds per clip: from the moment its slot was granted (its order is scheduled) to the moment its verified file
is in the store, minus the provider's 0.2 s; the median over all clips. Events per clip: the length of the video's
history, all its runs together, divided by its clips."""

import argparse
import statistics
from datetime import datetime
from typing import Any

from temporalio.api.history.v1 import HistoryEvent

from benchmarks.ground import Ground, ground, say, time_of

PROVIDER_SECONDS = 0.2
SPEED = 500.0


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", default="18,500", help="lengths of videos, with commas between them")


async def run(options: argparse.Namespace) -> dict[str, Any]:
    lengths = [int(part) for part in options.clips.split(",")]
    kie = {"duration": [PROVIDER_SECONDS * SPEED] * 2}
    # Looks every 50 to 100 ms: 10 to 20 s in the provider's own time.
    settings = {"KLING_LOOK_MIN_SECONDS": "25", "KLING_LOOK_MAX_SECONDS": "30"}
    extra: dict[str, float] = {}
    events: dict[str, float] = {}
    workers = {"studio": "studio,kling", "media": "media"}
    async with ground(kie=kie, speed=SPEED, workers=workers, settings=settings) as here:
        await _video(here, "warm-up", 5)
        for clips in lengths:
            seconds, length = await _video(here, f"overhead-{clips}", clips)
            extra[str(clips)] = round(seconds - PROVIDER_SECONDS, 3)
            events[str(clips)] = round(length / clips, 2)
            say(f"{clips} clips: {extra[str(clips)]} s extra, {events[str(clips)]} events per clip ({length} in all)")
    return {"extra_seconds_per_clip": extra, "events_per_clip": events}


async def _video(here: Ground, name: str, clips: int) -> tuple[float, int]:
    handle = await here.start(await here.video(name, clips=clips))
    await handle.result()
    histories = await here.histories(handle)
    return statistics.median(_spans(histories)), sum(len(history) for history in histories)


def _spans(histories: list[list[HistoryEvent]]) -> list[float]:
    """Per clip, the seconds between the scheduling of its order and the end of its keeping."""
    spans = []
    for events in histories:
        began: dict[str, datetime] = {}
        keeping: dict[int, str] = {}
        for event in events:
            scheduled = event.activity_task_scheduled_event_attributes
            label = event.user_metadata.summary.data.decode()
            if scheduled.activity_type.name == "submit_clip":
                began[label] = time_of(event)
            elif scheduled.activity_type.name == "keep_clip":
                keeping[event.event_id] = label
            completed = event.activity_task_completed_event_attributes
            if completed.scheduled_event_id in keeping:
                label = keeping[completed.scheduled_event_id]
                spans.append((time_of(event) - began[label]).total_seconds())
    return spans
