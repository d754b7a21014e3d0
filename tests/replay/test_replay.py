"""Running videos survive an upgrade: recorded histories are replayed by today's workflow code."""

import json

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from composition import WORKFLOWS
from tests.replay import fingerprints
from tests.replay.record import GPU_SCENARIOS, HISTORIES, SCENARIOS
from workflows_temporal.connection import StudioPlugin

RECORDED = {path.stem: path.read_text(encoding="utf-8") for path in sorted(HISTORIES.glob("*.json"))}
CURRENT = fingerprints.current()
CHANGED = """The commands of workflows_temporal/{name}.py are not those of the recorded histories.

A video that runs while this is deployed replays its history with the new code and fails where they differ.
1. If videos may be running, guard the change with `workflow.patched("what-changed-YYYY-MM")` and keep the old way
   in the else branch until none of them runs any more.
2. Record the histories and fingerprints anew: `make record-history`. Keep an old history for every patch.
"""


@pytest.mark.parametrize("name", RECORDED)
async def test_a_recorded_video_replays_on_todays_code(name: str) -> None:
    replayer = Replayer(workflows=WORKFLOWS, plugins=[StudioPlugin()])
    history = WorkflowHistory.from_json(_workflow_id(RECORDED[name]), RECORDED[name])
    result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    assert result.replay_failure is None, str(result.replay_failure)


def _workflow_id(history: str) -> str:
    """Tickets of the gate are made from the workflow's id, so it has to be the recorded one."""
    started = json.loads(history)["events"][0]["workflowExecutionStartedEventAttributes"]
    return str(started["workflowId"])


def test_every_scenario_has_its_histories() -> None:
    wanted = {scenario.__name__ for scenario in SCENARIOS}
    wanted_of_gpu = {scenario.__name__ for scenario in GPU_SCENARIOS}
    assert RECORDED.keys() >= wanted | wanted_of_gpu | {f"{name}_gate" for name in wanted}


@pytest.mark.parametrize("name", CURRENT)
def test_the_commands_of_a_workflow_module_are_those_that_were_recorded(name: str) -> None:
    assert CURRENT[name] == fingerprints.stored().get(name), CHANGED.format(name=name)
