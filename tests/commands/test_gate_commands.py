"""`gate …`: what the gate does, who waits, and what has become of it when it does not run."""

from pathlib import Path

import pytest

from studio.contracts.gate import Ticket
from tests.commands.starter import Starter, settings_of, starter_with
from tests.studio_at_work import StudioAtWork, eventually
from workflows_temporal.gate import GateWorkflow


@pytest.fixture
def starter(studio: StudioAtWork, tmp_path: Path) -> Starter:
    """Commands that find this studio."""
    return starter_with(settings_of(studio), tmp_path / "data", "gate")


async def test_the_line_is_counted_by_channel_and_its_tickets_are_paged(studio: StudioAtWork, starter: Starter) -> None:
    await studio.gate.execute_update(GateWorkflow.set_limit, 0)
    await studio.gate.signal(GateWorkflow.enter, [_ticket(number) for number in range(1, 6)])
    shown = await starter("show")
    assert "0 of 0 inside, 5 waiting, open" in shown.stdout
    assert "waiting: odd 3, even 2" in shown.stdout
    page = await starter("tickets", "--limit", "2")
    assert ["video/a/1#x" in page.stdout, "video/a/3#x" in page.stdout] == [True, False]
    assert "There are more: gate tickets --after 2" in page.stdout
    rest = await starter("tickets", "--after", "2")
    assert [f"video/a/{number}#x" in rest.stdout for number in range(1, 6)] == [False, False, True, True, True]
    assert "There are more" not in rest.stdout


async def test_a_gate_that_does_not_run_says_what_became_of_it_and_what_starts_it(
    studio: StudioAtWork, starter: Starter
) -> None:
    await studio.gate.terminate()
    await eventually(studio.gate.describe, lambda gate: gate.close_time is not None)
    for command in (["show"], ["tickets"], ["resume"], ["limit", "3"]):
        done = await starter(*command)
        assert done.code != 0
        assert "gate/kling was terminated at" in done.stderr
        assert "worker.py --queues studio" in done.stderr
    await studio.make(await studio.request(clips=1))
    assert (await starter("show")).code == 0


async def test_a_gate_that_was_never_there_is_called_that(studio: StudioAtWork, starter: Starter) -> None:
    done = await starter("show", TEMPORAL_NAMESPACE="default")
    assert done.code != 0
    assert "There is no gate yet" in done.stderr


def _ticket(number: int) -> Ticket:
    return Ticket(
        name=f"video/a/{number}#x",
        workflow_id=f"video/a/{number}",
        first_run_id="r",
        channel="odd" if number % 2 else "even",
        video_id="v",
        number=1,
    )
