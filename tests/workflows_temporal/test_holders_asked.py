"""A gate asks its holders now and then whether they are there. Two minutes pass at once: the server skips time."""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from studio.contracts.gate import GateState, Granted, OrdersInFlight, Sweep, Swept, Ticket
from tests.studio_at_work import GateHandle, eventually
from workflows_temporal.addresses import KLING_GATE_ID, TaskQueue
from workflows_temporal.connection import StudioPlugin
from workflows_temporal.gate import GateWorkflow
from workflows_temporal.policies import HOLDERS_ASKED_EVERY

HOLDER = "video/a/b"
SWEEP = timedelta(seconds=15)
"""The gate's usual pause between two looks at its holders."""


@workflow.defn(sandboxed=False)
class Holder:
    """Listens to the gate, and answers nothing; ends when it has heard enough of one ticket."""

    def __init__(self) -> None:
        self._heard: dict[str, list[datetime]] = {}

    @workflow.run
    async def run(self) -> dict[str, list[datetime]]:
        await workflow.wait_condition(lambda: len(self._heard.get("t1", [])) == 4)
        return self._heard

    @workflow.signal
    def slots_granted(self, granted: Granted) -> None:
        for slot in granted.slots:
            self._heard.setdefault(slot.ticket, []).append(workflow.now())


@activity.defn(name="find_gone_holders")
async def all_are_there(sweep: Sweep) -> Swept:
    """What a worker with the key answers while every holder runs."""
    return Swept(gone=[])


@activity.defn(name="find_orders_in_flight")
async def none_is(most: int) -> OrdersInFlight:
    """What it answers where nothing was ordered before."""
    return OrdersInFlight(orders=[])


def ticket(name: str) -> Ticket:
    return Ticket(name=name, workflow_id=HOLDER, first_run_id="r", channel="a", video_id="b", number=1)


async def inside(gate: GateHandle, count: int) -> None:
    await eventually(lambda: gate.query(GateWorkflow.state), lambda status: len(status.held) == count)


async def test_every_two_minutes_a_gate_tells_its_holders_that_they_are_inside_but_not_those_who_look_away() -> None:
    """As the gate was reset: a holder that gave its place back long ago hears of it, and gives it back once more."""
    server = Path(sys.executable).parent / "temporal-test-server"
    async with (
        await WorkflowEnvironment.start_time_skipping(
            test_server_existing_path=str(server), plugins=[StudioPlugin()]
        ) as environment,
        Worker(environment.client, task_queue=TaskQueue.STUDIO, workflows=[GateWorkflow, Holder]),
        Worker(environment.client, task_queue=TaskQueue.KLING, activities=[all_are_there, none_is]),
    ):
        client = environment.client
        holder = await client.start_workflow(Holder.run, id=HOLDER, task_queue=TaskQueue.STUDIO)
        gate = await client.start_workflow(
            GateWorkflow.run, GateState(limit=2), id=KLING_GATE_ID, task_queue=TaskQueue.STUDIO
        )
        await gate.signal(GateWorkflow.enter, [ticket("t1")])
        await inside(gate, 1)
        await gate.signal(GateWorkflow.accepted, "t1")
        await gate.signal(GateWorkflow.enter, [ticket("t2")])
        await inside(gate, 2)
        await gate.signal(GateWorkflow.abandon, ["t2"])
        heard = await holder.result()
    pauses = [later - earlier for earlier, later in zip(heard["t1"], heard["t1"][1:], strict=False)]
    assert all(HOLDERS_ASKED_EVERY <= pause <= HOLDERS_ASKED_EVERY + 2 * SWEEP for pause in pauses), pauses
    assert len(heard["t2"]) == 1
