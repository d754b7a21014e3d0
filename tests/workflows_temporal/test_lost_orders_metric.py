"""How many orders are lost, as whoever watches the workers sees it: at the Prometheus endpoint of a real worker."""

import re

import httpx

from local.processes import free_port
from simulators.kie import KieSimulator
from studio.contracts.desk import Decision, DecisionKind
from studio.store.desk import DeskStore
from tests.studio_at_work import QUEUES, StudioAtWork, eventually
from worker import working
from workflows_temporal.addresses import TaskQueue, desk_workflow_id
from workflows_temporal.connection import connect
from workflows_temporal.desk import DeskWorkflow


async def figures(address: str) -> dict[str, float]:
    """The gauges, by name; none before the first count."""
    async with httpx.AsyncClient() as http:
        text = (await http.get(f"http://{address}/metrics")).text
    lines = re.findall(r"^(longtake_(?:lost|orphaned)_orders\w*?)(?:_seconds)?(?:\{.*\})? (\S+)$", text, re.MULTILINE)
    assert len(lines) == len({name for name, _ in lines})  # one series each: nobody has to guess which one is right
    return {name: float(value) for name, value in lines}


async def test_a_worker_tells_how_many_orders_are_lost_from_its_start_and_as_they_come_and_go(
    studio: StudioAtWork, kie: KieSimulator
) -> None:
    kie.script("createTask", ["accept_then_reset"], match="corridor 01")
    await studio.waiting(await studio.start(await studio.request(clips=1)))
    await studio.close()
    address = f"127.0.0.1:{free_port()}"
    temporal = await connect(**studio.settings.temporal(), metrics_address=address)
    async with working(studio.settings, QUEUES, temporal):
        told = await eventually(lambda: figures(address), lambda found: found.get("longtake_lost_orders") == 1)
        assert 0 < told["longtake_lost_orders_oldest"] < 60
        assert told["longtake_orphaned_orders"] == 0

        kie.script("createTask", ["accept_then_reset"], match="corridor 01")
        await studio.waiting(await studio.start(await studio.request("vid_2", clips=1)))
        await eventually(lambda: figures(address), lambda found: found["longtake_lost_orders"] == 2)

        for order in await DeskStore(studio.database).lost():
            decision = Decision(submission_id=order.submission_id, kind=DecisionKind.WRITE_OFF, who="ann", why="gone")
            await studio.temporal.execute_workflow(
                DeskWorkflow.run,
                decision,
                id=desk_workflow_id(order.submission_id),
                task_queue=TaskQueue.STUDIO,
            )
        told = await eventually(lambda: figures(address), lambda found: found["longtake_lost_orders"] == 0)
        assert told["longtake_lost_orders_oldest"] == 0
