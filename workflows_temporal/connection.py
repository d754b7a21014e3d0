"""How Longtake speaks Temporal, said once: for clients, workers, tests and the replayer."""

import dataclasses
from pkgutil import iter_modules

from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import MetricMeter
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

import workflows_temporal
from workflows_temporal.addresses import SEARCH_ATTRIBUTES
from workflows_temporal.inbound import Inbound
from workflows_temporal.payloads import TolerantPayloadConverter

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
            data_converter=DataConverter(payload_converter_class=TolerantPayloadConverter),
            interceptors=[Inbound()],
            workflow_runner=_runner,
        )


def _runner(runner: WorkflowRunner | None) -> WorkflowRunner:
    assert isinstance(runner, SandboxedWorkflowRunner)
    restrictions = runner.restrictions.with_passthrough_modules(*PASSED_THROUGH)
    return dataclasses.replace(runner, restrictions=restrictions)


async def connect(
    address: str,
    *,
    namespace: str = "default",
    api_key: str | None = None,
    tls: bool = False,
    metrics_address: str | None = None,
    lazy: bool = False,
) -> Client:
    """A client that speaks as `StudioPlugin` says, with Prometheus metrics at `metrics_address` if given.

    A lazy one connects with its first call, so that it can be made while Temporal is down.
    """
    return await Client.connect(
        address,
        namespace=namespace,
        api_key=api_key,
        tls=tls or api_key is not None,
        runtime=_runtime(metrics_address) if metrics_address else None,
        plugins=[StudioPlugin()],
        lazy=lazy,
    )


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


def _runtime(metrics_address: str) -> Runtime:
    prometheus = PrometheusConfig(bind_address=metrics_address, durations_as_seconds=True, counters_total_suffix=True)
    return Runtime(telemetry=TelemetryConfig(metrics=prometheus))
