"""The application: its routes, put together from the clients it is given."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from temporalio.client import Client

from gateway.callbacks import CallbackDoor, callback_routes
from gateway.delivery import ANSWER, CallbackDelivery
from gateway.health import health_routes
from gateway.problems import report_problems
from gateway.signatures import SignatureCheck
from studio.callback_address import CallbackSigner
from studio.store.callbacks import CallbackInbox
from studio.store.pool import Database


def create_app(
    temporal: Client,
    database: Database,
    *,
    signer: CallbackSigner | None = None,
    signatures: SignatureCheck | None = None,
    docs: bool = False,
    answer: timedelta = ANSWER,
) -> FastAPI:
    """The gateway. Callbacks are delivered for as long as it lives.

    Args:
        signer: checks callback addresses; without one any address is taken, which is for loopback only.
        signatures: checks the provider's own signatures; without it none are asked for.
        docs: serve the API's description.
        answer: how long Temporal may take for one answer.
    """
    inbox = CallbackInbox(database)
    delivery = CallbackDelivery(temporal, inbox, answer=answer)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with delivery.delivering():
            yield

    app = FastAPI(
        title="Longtake",
        lifespan=lifespan,
        openapi_url="/openapi.json" if docs else None,  # without it there is no page either
    )
    report_problems(app)
    app.include_router(health_routes(temporal))
    app.include_router(callback_routes(CallbackDoor(inbox, delivery, signer=signer, signatures=signatures)))
    return app
