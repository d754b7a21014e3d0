"""The application: its rooms, put together from the clients it is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from temporalio.client import Client

from gateway.callbacks import callback_routes
from gateway.health import health_routes
from gateway.problems import report_problems
from gateway.signals import SignalQueue
from gateway.signatures import SignatureCheck


def create_app(temporal: Client, signals: SignalQueue, *, signatures: SignatureCheck | None = None) -> FastAPI:
    """The gateway. Signals are handed over for as long as it lives; without `signatures` none are asked for."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with signals.handing_over():
            yield

    app = FastAPI(title="Longtake", lifespan=lifespan)
    report_problems(app)
    app.include_router(health_routes(temporal))
    app.include_router(callback_routes(signals, signatures))
    return app
