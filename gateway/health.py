"""Is the process alive, and can it do its work?"""

import asyncio
from datetime import timedelta
from http import HTTPStatus

from fastapi import APIRouter
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from gateway.problems import Problem

PROMPT = timedelta(seconds=1)
"""Temporal is there when it answers within this time."""


def health_routes(temporal: Client) -> APIRouter:
    """What an orchestrator asks."""
    routes = APIRouter()

    @routes.get("/healthz")
    async def alive() -> dict[str, str]:
        """The process lives."""
        return {"status": "alive"}

    @routes.get("/readyz")
    async def ready() -> dict[str, str]:
        """Temporal answers and knows our namespace."""
        await _ask(temporal)
        return {"status": "ready"}

    return routes


async def _ask(temporal: Client) -> None:
    request = DescribeNamespaceRequest(namespace=temporal.namespace)
    try:
        async with asyncio.timeout(PROMPT.total_seconds()):
            await temporal.workflow_service.describe_namespace(request, retry=False, timeout=PROMPT)
    except RPCError as error:
        raise _unready(f"Temporal answers {error.status.name} for the namespace {temporal.namespace}.") from None
    except TimeoutError:
        raise _unready(f"Temporal did not answer within {PROMPT.total_seconds():g} s.") from None
    except RuntimeError:  # the SDK's word for a server it cannot connect to
        raise _unready("Temporal cannot be reached.") from None


def _unready(reason: str) -> Problem:
    return Problem(HTTPStatus.SERVICE_UNAVAILABLE, reason)
