"""`python -m simulators …`: addresses on one line, faults from outside, a clean end, a life after `kill -9`."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.simulators.callers import order

ROOT = Path(__file__).parents[2]
KEY = {"Authorization": "Bearer sim-key"}


@dataclass
class Running:
    process: asyncio.subprocess.Process
    ready: dict[str, Any]

    async def ended(self) -> int:
        return await asyncio.wait_for(self.process.wait(), 240)


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Running]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulators", *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 240)
        assert line, (await process.stderr.read()).decode()
        yield Running(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 240)


@pytest.mark.parametrize(
    ("name", "number", "urls"),
    [
        ("kie", signal.SIGTERM, {"api_url", "upload_url", "files_url", "admin_url"}),
        ("catbox", signal.SIGINT, {"api_url", "files_url", "litter_url", "admin_url"}),
        ("notion", signal.SIGTERM, {"api_url", "admin_url"}),
        ("comfyui", signal.SIGTERM, {"api_url", "admin_url"}),
    ],
)
async def test_each_simulator_says_where_it_is_and_ends_when_told(
    name: str, number: signal.Signals, urls: set[str], http: httpx.AsyncClient
) -> None:
    async with running(name) as simulator:
        assert simulator.ready["simulator"] == name
        assert simulator.ready["pid"] == simulator.process.pid
        assert urls == {key for key in simulator.ready if key.endswith("_url")}
        for key in urls:
            state = (await http.get(f"{simulator.ready[key]}/__sim/state")).json()
            assert state["simulator"] == name
        simulator.process.send_signal(number)
        assert await simulator.ended() == 0
        assert simulator.process.stderr is not None
        assert await simulator.process.stderr.read() == b""


async def test_settings_and_faults_come_by_flag(http: httpx.AsyncClient, clips: Path) -> None:
    arguments = ["--speed", "60", "--seed", "7", "--clips", "placeholder", "--cache", str(clips), "--credits", "100"]
    arguments += ["--key", "one", "--key", "two", "--config", '{"rate_limit": 3, "default_size": [64, 36]}']
    arguments += ["--faults", '{"route": "createTask", "script": [{"http": 429}]}']
    async with running("kie", *arguments) as kie:
        headers = {"Authorization": "Bearer two"}
        url = f"{kie.ready['api_url']}/api/v1/jobs/createTask"
        codes = [(await http.post(url, json=order(), headers=headers)).json()["code"] for _ in range(4)]
        assert codes == [429, 200, 200, 402]
        state = (await http.get(f"{kie.ready['admin_url']}/__sim/state")).json()
        assert (state["clock"]["speed"], state["config"]["seed"], state["config"]["rate_limit"]) == (60, 7, 3)


async def test_a_killed_simulator_goes_on_with_its_ledger_on_the_same_ports(
    http: httpx.AsyncClient, clips: Path, tmp_path: Path
) -> None:
    usual = ["kie", "--data", str(tmp_path), "--persist", "--clips", "placeholder", "--cache", str(clips)]
    usual += ["--config", '{"default_size": [64, 36]}']
    async with running(*usual) as first:
        told = await http.post(f"{first.ready['api_url']}/api/v1/jobs/createTask", json=order(), headers=KEY)
        task = told.json()["data"]["taskId"]
        ports = [httpx.URL(first.ready[f"{host}_url"]).port for host in ("api", "upload", "files", "admin")]
        first.process.kill()
        assert await first.ended() == -signal.SIGKILL
    flags = ["--port", "--upload-port", "--files-port", "--admin-port"]
    given = [word for flag, port in zip(flags, ports, strict=True) for word in (flag, str(port))]
    async with running(*usual, *given) as second:
        assert {k: v for k, v in second.ready.items() if k != "pid"} == {
            k: v for k, v in first.ready.items() if k != "pid"
        }
        await http.post(f"{second.ready['admin_url']}/__sim/advance", json={"seconds": 300})
        look = f"{second.ready['api_url']}/api/v1/jobs/recordInfo"
        for _ in range(100):
            data = (await http.get(look, params={"taskId": task}, headers=KEY)).json()["data"]
            if data and data["state"] == "success":
                break
            await asyncio.sleep(0.1)
        assert data["state"] == "success"
        counters = (await http.get(f"{second.ready['admin_url']}/__sim/ledger?only=counters")).json()["counters"]
        assert (counters["accepted"], counters["succeeded"], counters["balance"]) == (1, 1, 9_958)


async def test_notion_starts_with_pages_and_tokens(http: httpx.AsyncClient) -> None:
    async with running("notion", "--token", "mine", "--config", '{"pages": [{"page_id": "video-1"}]}') as notion:
        headers = {"Authorization": "Bearer mine", "Notion-Version": "2026-03-11"}
        assert (await http.get(f"{notion.ready['api_url']}/v1/pages/video-1", headers=headers)).status_code == 200


async def test_a_port_in_use_is_an_error_and_not_a_silence(http: httpx.AsyncClient) -> None:
    async with running("notion") as first:
        port = str(httpx.URL(first.ready["api_url"]).port)
        with pytest.raises(AssertionError, match="address already in use"):
            async with running("notion", "--port", port):
                pass
