"""Starts of workflow types that do not exist: they end, instead of failing their first workflow task for ever."""

from collections.abc import Sequence

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from workflows_temporal.addresses import WORKFLOW_IDS


@workflow.defn(dynamic=True)
class UnknownWorkflow:
    """Any type this worker does not serve."""

    @workflow.run
    async def run(self, inputs: Sequence[RawValue]) -> None:
        types = ", ".join(sorted(WORKFLOW_IDS))
        reason = f"there is no workflow type {workflow.info().workflow_type[:100]}; those to start are {types}"
        raise ApplicationError(reason, type="InvalidRequest", non_retryable=True)
