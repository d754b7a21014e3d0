"""A client of Temporal for those who start, ask and tell workflows and serve none: commands and the gateway.

It knows nothing of workers and their sandbox, which take a tenth of a second to import.
"""

from collections.abc import Sequence

from temporalio.client import Client, Plugin
from temporalio.converter import DataConverter
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from workflows_temporal.payloads import TolerantPayloadConverter

CONVERTER = DataConverter(payload_converter_class=TolerantPayloadConverter)
"""How values travel, for clients and workers."""


async def connect_caller(
    address: str,
    *,
    namespace: str = "default",
    api_key: str | None = None,
    tls: bool = False,
    metrics_address: str | None = None,
    lazy: bool = False,
    plugins: Sequence[Plugin] = (),
) -> Client:
    """A client with our converter, with Prometheus metrics at `metrics_address` if given.

    A lazy one connects with its first call, so that it can be made while Temporal is down.
    """
    return await Client.connect(
        address,
        namespace=namespace,
        api_key=api_key,
        tls=tls or api_key is not None,
        runtime=_runtime(metrics_address) if metrics_address else None,
        data_converter=CONVERTER,
        plugins=plugins,
        lazy=lazy,
    )


def _runtime(metrics_address: str) -> Runtime:
    prometheus = PrometheusConfig(bind_address=metrics_address, durations_as_seconds=True, counters_total_suffix=True)
    return Runtime(telemetry=TelemetryConfig(metrics=prometheus))
