"""The gateway process: `python -m gateway --port 8080 --host 127.0.0.1`.

One line of JSON on standard output says where it serves. It ends on SIGTERM or SIGINT.
"""

import argparse
import asyncio
import json
import os
import signal
import sys

import structlog

from gateway.app import create_app
from gateway.server import Server
from gateway.signatures import SignatureCheck
from studio.callback_address import CallbackSigner, is_loopback
from studio.ending import run_and_leave
from studio.logs import hider, set_up_logs
from studio.secrets import keep_secret
from studio.settings import GatewaySettings, SettingsInvalid, plain
from studio.store.pool import open_database
from workflows_temporal.client import connect_caller

_log = structlog.get_logger()


async def run(settings: GatewaySettings, *, host: str, port: int) -> None:
    """Serve until a signal comes. Temporal and PostgreSQL may be down: they are connected to when they are needed."""
    keep_secret(settings.secrets())
    temporal = await connect_caller(**settings.temporal(), metrics_address=settings.metrics_address, lazy=True)
    secret, key = plain(settings.callback_secret), plain(settings.kie_webhook_key)
    async with open_database(settings.database_dsn(), connections=settings.database_connections) as database:
        app = create_app(
            temporal,
            database,
            signer=CallbackSigner(secret) if secret else None,
            signatures=SignatureCheck(key) if key else None,
            docs=settings.gateway_docs,
        )
        server = Server(app, host=host, port=port, announce=_announce)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        await server.serve()
    _log.info("gateway.stopped")


def _announce(url: str) -> None:
    _log.info("gateway.ready", url=url)
    print(json.dumps({"gateway_url": url, "pid": os.getpid()}), flush=True)


def main() -> None:
    """Read the command line and the environment, then serve."""
    parser = argparse.ArgumentParser(prog="python -m gateway", description="Longtake's HTTP gateway.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; others than loopback need a secret")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on; 0: any free one")
    given = parser.parse_args()
    try:
        settings = GatewaySettings.from_env()
        if not is_loopback(given.host):
            settings.needs(callback_secret=f"without it anybody who reaches {given.host} could forge callbacks")
    except SettingsInvalid as error:
        sys.exit(str(error))
    set_up_logs(level=settings.log_level, style=settings.log_format, hide=hider(settings.secrets()))
    asyncio.run(run(settings, host=given.host, port=given.port))


if __name__ == "__main__":
    run_and_leave(main)
