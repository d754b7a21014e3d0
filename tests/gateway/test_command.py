"""`python -m gateway`: an address on one line, settings from outside, a clean end."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from temporalio.client import Client

from local.processes import free_port
from tests.gateway.conftest import KEY, StartGateway
from tests.gateway.videos import CalledVideo, PlaceOrder, Video, address, body
from tests.studio_at_work import eventually

ROOT = Path(__file__).parents[2]
SETTINGS = {"DATABASE_URL": "postgresql://longtake:planted-password@127.0.0.1:1/longtake"}
"""All it needs: no object store, no key of a provider."""


@dataclass
class Running:
    process: asyncio.subprocess.Process
    ready: dict[str, object]
    http: httpx.AsyncClient

    async def ended(self) -> tuple[int, str]:
        """Exit status, and everything on standard error."""
        assert self.process.stderr is not None
        log = await asyncio.wait_for(self.process.stderr.read(), 240)
        return await self.process.wait(), log.decode()


async def start(settings: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *arguments),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@asynccontextmanager
async def running(*arguments: str, **settings: str) -> AsyncIterator[Running]:
    process = await start({**SETTINGS, **settings}, "--port", "0", *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 240)
        assert line, (await process.stderr.read()).decode()
        ready = json.loads(line)
        async with httpx.AsyncClient(base_url=ready["gateway_url"], timeout=60, verify=False) as http:
            yield Running(process, ready, http)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_it_says_where_it_is_serves_and_ends_when_told(
    temporal: Client, video: Video, database_url: str, ordered: PlaceOrder
) -> None:
    place = temporal.service_client.config.target_host
    here = {"TEMPORAL_ADDRESS": place, "TEMPORAL_NAMESPACE": temporal.namespace, "DATABASE_URL": database_url}
    async with running(**here) as gateway:
        assert gateway.ready["pid"] == gateway.process.pid
        assert (await gateway.http.get("/readyz")).status_code == 200
        assert (await gateway.http.post(address(intent=await ordered()), json=body())).status_code == 200
        await eventually(lambda: video.query(CalledVideo.calls), bool)
        gateway.process.send_signal(signal.SIGTERM)
        status, log = await gateway.ended()
    assert status == 0
    assert [json.loads(line)["event"] for line in log.splitlines()] == [
        "gateway.ready",
        "callback.taken",
        "callback.delivered",
        "gateway.stopped",
    ]


async def test_it_starts_and_ends_cleanly_without_temporal_and_postgresql() -> None:
    """Here by SIGINT; the test of signed callbacks has the same without them, and SIGTERM."""
    async with running(TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}") as gateway:
        assert (await gateway.http.get("/healthz")).status_code == 200
        assert (await gateway.http.get("/readyz")).status_code == 503
        assert (await gateway.http.post(address(), json=body())).status_code == 503
        gateway.process.send_signal(signal.SIGINT)
        status, log = await gateway.ended()
    assert status == 0
    assert "Traceback" not in log


async def test_an_address_of_the_world_is_served_with_a_secret_only() -> None:
    """Anybody could forge callbacks there; the provider's key alone does not help, as it signs no address."""
    process = await start({**SETTINGS, "KIE_WEBHOOK_KEY": KEY}, "--host", "0.0.0.0", "--port", "0")
    said = (await asyncio.wait_for(process.communicate(), 240))[1].decode()
    assert process.returncode == 1
    assert said.startswith("These settings are missing:\n  CALLBACK_SECRET: "), said
    async with running("--host", "0.0.0.0", CALLBACK_SECRET="c" * 32) as gateway:
        assert (await gateway.http.get("/healthz")).status_code == 200


async def test_with_a_key_in_the_environment_callbacks_have_to_be_signed_and_the_key_is_told_to_nobody() -> None:
    async with running(TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}", KIE_WEBHOOK_KEY=KEY) as gateway:
        answer = await gateway.http.post(address(), json=body())
        assert answer.status_code == 401
        gateway.process.send_signal(signal.SIGTERM)
        status, log = await gateway.ended()
    assert status == 0
    assert "callback.refused" in log
    assert "Traceback" not in log
    assert all(secret not in answer.text + log for secret in (KEY, "planted-password"))


async def test_a_server_leaves_signals_to_the_process_it_is_in(start_gateway: StartGateway, nowhere: Client) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    await start_gateway(nowhere)
    assert signal.getsignal(signal.SIGTERM) == handler


async def test_settings_that_are_wrong_are_said_all_at_once() -> None:
    process = await start({"LOG_LEVEL": "loud", "CALLBACK_SECRET": "short"})
    said = (await asyncio.wait_for(process.communicate(), 240))[1].decode()
    assert process.returncode == 1
    assert all(name in said for name in ("DATABASE_URL: is not set", "CALLBACK_SECRET: ", "LOG_LEVEL: "))
    assert not any(name in said for name in ("KIE_API_KEY", "OBJECT_STORE_URL", "S3_"))


async def test_a_port_that_is_taken_is_said_and_not_waited_for() -> None:
    async with running() as gateway:
        process = await start(SETTINGS, "--port", str(httpx.URL(str(gateway.ready["gateway_url"])).port))
        told, log = await asyncio.wait_for(process.communicate(), 240)
    assert process.returncode not in (0, None)
    assert told == b""
    assert b"address already in use" in log
