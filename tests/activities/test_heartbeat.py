"""Heartbeats: they go on for as long as the work does, and bring a cancellation in."""

import asyncio
import dataclasses
import time
from datetime import timedelta
from itertools import pairwise

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment
from temporalio.worker import Worker

from activities._heartbeat import LONGEST_SILENCE, beating
from tests.studio_at_work import eventually


class Heart:
    """An activity's surroundings that listen for beats."""

    def __init__(self, timeout: timedelta | None) -> None:
        self.beats: list[float] = []
        self.environment = ActivityEnvironment()
        self.environment.info = dataclasses.replace(self.environment.info, heartbeat_timeout=timeout)
        self.environment.on_heartbeat = lambda *details: self.beats.append(time.monotonic())

    async def after(self, count: int) -> None:
        async def look() -> int:
            return len(self.beats)

        await eventually(look, lambda seen: seen >= count)


async def test_it_beats_at_once_and_three_times_within_the_time_out() -> None:
    heart = Heart(timedelta(seconds=4.5))

    async def work() -> None:
        async with beating():
            await asyncio.sleep(0)
            assert len(heart.beats) == 1
            await heart.after(3)

    await heart.environment.run(work)
    assert all(1.4 < after - before < 4.5 for before, after in pairwise(heart.beats))


async def test_a_long_time_out_does_not_make_the_pauses_long() -> None:
    """A cancellation comes in with the answer to a beat."""
    heart = Heart(timedelta(hours=1))

    async def work() -> None:
        async with beating():
            await heart.after(2)

    await heart.environment.run(work)
    assert heart.beats[1] - heart.beats[0] < LONGEST_SILENCE + 60


async def test_the_last_beat_is_at_the_end_of_the_work_even_when_it_fails() -> None:
    heart = Heart(timedelta(seconds=0.3))

    async def work() -> None:
        async with beating():
            await heart.after(1)
            raise ValueError("no")

    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="no"):
        await heart.environment.run(work)
    await eventually(_all_tasks, lambda tasks: tasks <= before)


async def _all_tasks() -> set[object]:
    return set(asyncio.all_tasks())


async def test_what_an_attempt_leaves_is_never_overwritten_by_what_an_earlier_one_left() -> None:
    """The beats that go on in the background repeat the newest details."""
    heart, told = Heart(timedelta(seconds=0.3)), []
    heart.environment.info = dataclasses.replace(heart.environment.info, heartbeat_details=("old",))

    def hear(*details: object) -> None:
        told.append(details)
        heart.beats.append(time.monotonic())

    heart.environment.on_heartbeat = hear

    async def work() -> None:
        async with beating() as heartbeat:
            assert heartbeat.details == ("old",)
            await heart.after(2)
            heartbeat.leave("new", 1)
            await heart.after(5)

    await heart.environment.run(work)
    first = told.index(("new", 1))
    assert set(told[:first]) == {("old",)}
    assert set(told[first:]) == {("new", 1)}


async def test_where_nobody_listens_nothing_beats() -> None:
    heart = Heart(None)

    async def work() -> int:
        before = asyncio.all_tasks()
        async with beating():
            return len(asyncio.all_tasks() - before)

    assert await heart.environment.run(work) == 0
    assert heart.beats == []


# ── on a server ──────────────────────────────────────────────────────────

SILENCE = timedelta(seconds=3)
"""After which a worker counts as dead."""


@activity.defn
async def work_long() -> None:
    """Work until cancelled."""
    async with beating():
        await asyncio.Event().wait()


@workflow.defn(sandboxed=False)
class WorkLong:
    """One long activity."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(
            work_long,
            start_to_close_timeout=timedelta(minutes=1),
            heartbeat_timeout=SILENCE,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


async def test_long_work_is_not_taken_for_dead_and_hears_of_its_cancellation(temporal: Client) -> None:
    async with Worker(temporal, task_queue="q", workflows=[WorkLong], activities=[work_long]):
        handle = await temporal.start_workflow(WorkLong.run, id="long", task_queue="q")
        await eventually(lambda: beaten_for(handle), lambda seconds: seconds > 2 * SILENCE.total_seconds())
        assert await attempt(handle) == 1
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await asyncio.wait_for(handle.result(), 60)
        assert isinstance(failure.value.cause, CancelledError)


async def beaten_for(handle: WorkflowHandle[WorkLong, None]) -> float:
    """Seconds from the start of the activity to its last beat."""
    for pending in (await handle.describe()).raw_description.pending_activities:
        began, beat = pending.last_started_time, pending.last_heartbeat_time
        return beat.ToNanoseconds() / 1e9 - began.ToNanoseconds() / 1e9
    return 0.0


async def attempt(handle: WorkflowHandle[WorkLong, None]) -> int:
    (pending,) = (await handle.describe()).raw_description.pending_activities
    return pending.attempt
