"""Is it alive, and can it work? Two questions with two answers."""

import time

from temporalio.client import Client

from tests.gateway.conftest import Gateway, StartGateway
from workflows_temporal.connection import connect


async def test_with_temporal_there_it_is_alive_and_ready(gateway: Gateway) -> None:
    for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
        answer = await gateway.http.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": status})


async def test_without_temporal_it_is_alive_and_not_ready(start_gateway: StartGateway, nowhere: Client) -> None:
    gateway = await start_gateway(nowhere)
    assert (await gateway.http.get("/healthz")).status_code == 200
    answer = await gateway.http.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith("Temporal ")


async def test_a_temporal_that_does_not_answer_is_given_a_second(start_gateway: StartGateway, silent: Client) -> None:
    gateway = await start_gateway(silent)
    began = time.monotonic()
    answer = await gateway.http.get("/readyz")
    assert answer.status_code == 503
    assert time.monotonic() - began > 0.9
    assert answer.json()["detail"] == "Temporal did not answer within 1 s."


async def test_a_temporal_without_our_namespace_is_not_ready(start_gateway: StartGateway, temporal: Client) -> None:
    address = temporal.service_client.config.target_host
    gateway = await start_gateway(await connect(address, namespace="nobodys", lazy=True))
    answer = await gateway.http.get("/readyz")
    assert (answer.status_code, answer.json()["detail"]) == (
        503,
        "Temporal answers NOT_FOUND for the namespace nobodys.",
    )
