"""Seconds from the provider's completion of a clip to the clip's end (verified, in the store), with callbacks, while
looks are half a minute apart: the median. Then the same video once more with forged, duplicate and stale callbacks
thrown at the gateway: are there other bills, other takes, other files?

Thrown are: orders and tasks that do not exist, other clips' tasks under an order's id, genuine callbacks before their
time and again after it, and callbacks for videos that have ended or never were."""

import argparse
import asyncio
import random
import statistics
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from temporalio.api.history.v1 import HistoryEvent

from benchmarks.audit import audit, made_of
from benchmarks.ground import Ground, ground, say, time_of, words_of
from studio.contracts.video import VideoResult

KIE = {"duration": [2.0, 20.0]}
SETTINGS = {"KLING_SLOTS": "100", "KLING_LOOK_MIN_SECONDS": "30", "KLING_LOOK_MAX_SECONDS": "30"}
WORKERS = {"studio": "studio,kling", "media": "media"}
PEACE, STORM = "peace", "storm"
"""The two channels."""
VIDEO = "calls"
STORM_SECONDS = 20.0
AT_ONCE = 10
"""Callbacks under way at the same time."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clips", type=int, default=30)
    parser.add_argument("--forged", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)


async def run(options: argparse.Namespace) -> dict[str, Any]:
    async with ground(kie=KIE, speed=1, workers=WORKERS, settings=SETTINGS, callbacks=True) as here:
        result, seconds = await _video(here, PEACE, options.clips)
        say(f"in peace: {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s")
        storm = Storm(here, options.forged, random.Random(options.seed))
        (stormy, disturbed), answers = await asyncio.gather(_video(here, STORM, options.clips), storm.blow())
        say(f"answers: {answers}")
        await here.provider_is_done()
        bills = [await audit(here, channel, [video]) for channel, video in ((PEACE, result), (STORM, stormy))]
        same = made_of([result]) == made_of([stormy])
        return {
            "median_seconds": round(statistics.median(seconds), 2),
            "forged": sum(answers.values()),
            "bills_changed": abs(bills[1].billed - bills[0].billed) + bills[1].doubled + bills[1].lost,
            "results_changed": not same or stormy.total_cost_usd != result.total_cost_usd,
            "max_seconds": round(max(seconds), 2),
            "median_seconds_in_storm": round(statistics.median(disturbed), 2),
            "max_seconds_in_storm": round(max(disturbed), 2),
            "clips": options.clips,
        }


async def _video(here: Ground, channel: str, clips: int) -> tuple[VideoResult, list[float]]:
    """A video, and per clip the seconds between the provider's end and ours."""
    handle = await here.start(await here.video(VIDEO, clips=clips, channel=channel))
    result = await handle.result()
    kept = _kept([event for events in await here.histories(handle) for event in events])
    done = {task["prompt"].partition(":")[0]: float(task["finished"]) for task in await here.tasks(channel)}
    spans = [kept[f"clip {n:02d}"] - done[words_of(VIDEO, n).rstrip(":")] for n in range(1, clips + 1)]
    return result, spans


def _kept(events: list[HistoryEvent]) -> dict[str, float]:
    """When each clip was kept, by its label."""
    keeping: dict[int, str] = {}
    kept = {}
    for event in events:
        if event.activity_task_scheduled_event_attributes.activity_type.name == "keep_clip":
            keeping[event.event_id] = event.user_metadata.summary.data.decode().strip('"')
        completed = event.activity_task_completed_event_attributes.scheduled_event_id
        if completed in keeping:
            kept[keeping[completed]] = time_of(event).timestamp()
    return kept


class Storm:
    """Callbacks nobody should believe, spread over the time of the video."""

    def __init__(self, here: Ground, count: int, chance: random.Random) -> None:
        self._here = here
        self._count = count
        self._chance = chance
        self._hands = asyncio.Semaphore(AT_ONCE)

    async def blow(self) -> dict[int, int]:
        """Throw all of them; how often each HTTP status answered."""
        answers: list[asyncio.Task[int]] = []
        async with httpx.AsyncClient(timeout=30) as http:
            tasks: list[dict[str, Any]] = []
            for number in range(self._count):
                if number % 20 == 0:
                    tasks = (await self._here.ledger("tasks"))["tasks"]
                answers.append(asyncio.create_task(self._throw(http, *self._forge(tasks))))
                await asyncio.sleep(STORM_SECONDS / self._count)
            told = await asyncio.gather(*answers)
        return {status: told.count(status) for status in sorted(set(told))}

    async def _throw(self, http: httpx.AsyncClient, address: str, task_id: str) -> int:
        async with self._hands:
            state = self._chance.choice(["success", "fail", "waiting"])
            return (
                await http.post(address, json={"code": 200, "data": {"taskId": task_id, "state": state}})
            ).status_code

    def _forge(self, tasks: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
        """An address and a task."""
        storm = [task for task in tasks if f"channel={STORM}&" in task["call_back_url"]]
        another = self._chance.choice(tasks)
        if not storm:
            return str(another["call_back_url"]), str(another["task_id"])  # a video that has ended
        one = self._chance.choice(storm)
        match self._chance.randrange(6):
            case 0:
                return self._address(one, video="never-was"), str(one["task_id"])
            case 1:
                return self._address(one, order=str(uuid.uuid4())), uuid.uuid4().hex
            case 2:
                return str(one["call_back_url"]), uuid.uuid4().hex
            case 3:
                return str(one["call_back_url"]), str(another["task_id"])
            case 4:
                return str(another["call_back_url"]), str(another["task_id"])
        return str(one["call_back_url"]), str(one["task_id"])  # too early, or once more

    def _address(self, task: Mapping[str, Any], *, order: str = "", video: str = "") -> str:
        parts = urlsplit(str(task["call_back_url"]))
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        path, _, genuine = parts.path.rpartition("/")
        query = urlencode(asked | ({"video": video} if video else {}))
        return parts._replace(path=f"{path}/{order or genuine}", query=query).geturl()
