"""What a cancellation has to do is done, however often it is asked for."""

import asyncio

import pytest

from workflows_temporal.stops import undisturbed


async def test_work_is_done_to_its_end_however_often_its_task_is_cancelled() -> None:
    may_end, steps = asyncio.Event(), []

    async def work() -> None:
        steps.append("began")
        await may_end.wait()
        steps.append("ended")

    doing = asyncio.create_task(undisturbed(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        doing.cancel()
    may_end.set()
    await doing
    assert steps == ["began", "ended"]


async def test_work_that_fails_fails_for_whom_it_is_done() -> None:
    async def work() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await undisturbed(work())
