"""How Longtake speaks Temporal, said once: for clients, workers, tests and the replayer."""

import dataclasses
from pkgutil import iter_modules
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.plugin import SimplePlugin
from temporalio.runtime import Runtime
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import workflows_temporal
from workflows_temporal.addresses import SEARCH_ATTRIBUTES
from workflows_temporal.client import CONVERTER, connect_caller
from workflows_temporal.inbound import Inbound

_WORKFLOWS = frozenset(
    "desk gate image late notice project project_draft project_review sentence_clip unknown video".split()
)
"""The modules that define a workflow."""

PASSED_THROUGH = (
    "activities",
    "comfy_workflows",
    "studio",
    *(
        f"{__package__}.{module.name}"
        for module in iter_modules(workflows_temporal.__path__)
        if module.name not in _WORKFLOWS
    ),
)
"""Modules that the workflow sandbox does not load anew for every run: loading all takes 27 ms, these excepted 4 ms.

Of this package these are the modules that define no workflow: they keep no state of their own (tests/house).
"""


class StudioPlugin(SimplePlugin):
    """Converter, sandbox settings, and what fits inputs to handlers."""

    def __init__(self) -> None:
        super().__init__(
            name="longtake",
            data_converter=CONVERTER,
            interceptors=[Inbound()],
            workflow_runner=_runner,
        )


def _runner(runner: WorkflowRunner | None) -> WorkflowRunner:
    assert isinstance(runner, SandboxedWorkflowRunner)
    restrictions = runner.restrictions.with_passthrough_modules(*PASSED_THROUGH)
    return dataclasses.replace(runner, restrictions=restrictions)


async def connect(address: str, **options: Any) -> Client:
    """A client that can serve workers, too: it speaks as `StudioPlugin` says. Options as of `connect_caller`."""
    return await connect_caller(address, plugins=[StudioPlugin()], **options)


def metric_meter(client: Client) -> MetricMeter:
    """Where this client's metrics go."""
    return (client.service_client.config.runtime or Runtime.default()).metric_meter


async def ensure_search_attributes(client: Client) -> None:
    """Register the search attributes that workflows set; an unregistered one stops every workflow task.

    A server that does not allow it has an operator who registered them.
    """
    request = AddSearchAttributesRequest(
        namespace=client.namespace,
        search_attributes={key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in SEARCH_ATTRIBUTES},
    )
    try:
        await client.operator_service.add_search_attributes(request)
    except RPCError as error:
        if error.status not in (
            RPCStatusCode.ALREADY_EXISTS,
            RPCStatusCode.PERMISSION_DENIED,
            RPCStatusCode.UNIMPLEMENTED,
        ):
            raise
