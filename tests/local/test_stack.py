"""The embedded stack: one at a time on a data directory, found again by the next one, gone when it ends."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from commands.running import look
from commands.session import open_session
from local.addresses import ADDRESSES, read_addresses
from local.processes import STOP_SECONDS, ProcessFailed, listening
from local.stack import ROOT, USUAL_TEMPORAL_PORT, WORKER_STOP_SECONDS, Stack, StackOptions, running_stack
from studio.contracts.clip import ClipStatus
from studio.contracts.video import VideoResult
from tests.end_to_end.videos import videos_of
from tests.local.conftest import Stubborn
from tests.studio_at_work import Handle, eventually
from workflows_temporal.addresses import TaskQueue, video_workflow_id
from workflows_temporal.connection import connect
from workflows_temporal.policies import GRACE
from workflows_temporal.video import VideoWorkflow

KIE: dict[str, Any] = {"clips": "placeholder", "placeholder_size": [192, 108], "duration": [20, 30]}


def options(data: Path) -> StackOptions:
    return StackOptions(data=data, speed=50, kie=KIE, fixed_ports=False)


def processes_of(data: Path) -> list[str]:
    """Every process that has the data directory in its command line or its settings, or its log there.

    Without ourselves, and without the processes that PostgreSQL divides its work among.
    """
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if process.pid == os.getpid() or (command and command[0].startswith("postgres:")):
                continue
            told = [*command, *process.environ().values(), *(file.path for file in process.open_files())]
            if process.status() != psutil.STATUS_ZOMBIE and any(str(data) in word for word in told):
                found.append(" ".join(command))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def reached(data: Path) -> dict[str, str]:
    """The addresses of the stack that runs there."""
    return {name: value for name, value in read_addresses(data).items() if name.endswith(("_URL", "_ADDRESS"))}


async def provider(stack: Stack, route: str, body: dict[str, Any]) -> None:
    """Tell the simulated KIE.ai what to do."""
    async with httpx.AsyncClient() as http:
        (await http.post(f"{stack.kie['admin_url']}/__sim/{route}", json=body)).raise_for_status()


@dataclass
class Lives:
    """What was seen of two stacks, one after the other on the same data directory."""

    data: Path
    usual_port_was_free: bool
    temporal_port: int = 0
    running: list[str] = field(default_factory=list)
    refusal: str = ""
    addresses: dict[str, str] = field(default_factory=dict)
    place: Path = Path()
    video: VideoResult | None = None
    left: list[list[str]] = field(default_factory=list)
    published_afterwards: bool = True
    ports: list[dict[str, Any]] = field(default_factory=list)
    modes: dict[str, int] = field(default_factory=dict)
    carried_over: VideoResult | None = None
    found_again: dict[str, Any] = field(default_factory=dict)


@pytest.fixture(scope="module")
async def lives(tmp_path_factory: pytest.TempPathFactory) -> Lives:
    """A stack that makes a video and ends, and another one in its place. The directory's name holds a space."""
    data = tmp_path_factory.mktemp("stack") / "video studio"
    seen = Lives(data, usual_port_was_free=not listening(USUAL_TEMPORAL_PORT))
    await _first(seen)
    seen.left.append(processes_of(data))
    seen.published_afterwards = (data / ADDRESSES).exists()
    await _second(seen)
    seen.left.append(processes_of(data))
    return seen


async def _first(seen: Lives) -> None:
    async with running_stack(options(seen.data)) as stack:
        seen.running = processes_of(seen.data)
        seen.temporal_port = stack.temporal.port
        with pytest.raises(ProcessFailed) as refusal:
            async with running_stack(options(seen.data)):
                pass
        seen.refusal = str(refusal.value)
        seen.addresses = read_addresses(seen.data)
        videos = await videos_of(stack)
        handle = await videos.start("vid_1", clips=1)
        seen.video = await handle.result()
        await provider(stack, "faults", {"route": "task", "script": [{"duration": 1_000_000}]})
        long = await videos.start("long", clips=1)
        await eventually(lambda: look(long), lambda progress: progress.clips[0].status is ClipStatus.RENDERING)
        seen.ports.append(reached(seen.data))
        seen.modes = {path.name: path.stat().st_mode & 0o077 for path in (seen.data, seen.data / ADDRESSES)}
        async with open_session(seen.data) as session:
            seen.place = Path(session.place(seen.video.video.key))


async def _second(seen: Lives) -> None:
    async with running_stack(options(seen.data)) as stack, open_session(seen.data) as session:
        seen.ports.append(reached(seen.data))
        temporal = await connect(stack.temporal.address)
        long: Handle = temporal.get_workflow_handle_for(VideoWorkflow.run, video_workflow_id("crash", "long"))
        await provider(stack, "advance", {"seconds": 1_000_000})
        seen.carried_over = await long.result()
        handle: Handle = temporal.get_workflow_handle_for(VideoWorkflow.run, video_workflow_id("crash", "vid_1"))
        result = await handle.result()
        another = await (await videos_of(stack)).start("vid_2", clips=1)
        assert (await another.result()).total_cost_usd > 0
        async with session.database.transaction() as connection:
            videos = await connection.fetch("select video_id, status from videos order by 1")
        seen.found_again = {
            "history": result,
            "query": (await handle.query(VideoWorkflow.progress)).status,
            "database": [tuple(video) for video in videos],
            "video": len(await session.objects.read(result.video)),
        }


def test_a_second_stack_on_the_same_data_is_refused_and_harms_nobody(lives: Lives) -> None:
    assert lives.refusal == f"another stack runs on {lives.data}"
    assert lives.addresses["TEMPORAL_ADDRESS"] == f"127.0.0.1:{lives.temporal_port}"
    assert lives.video is not None


def test_a_later_stack_finds_the_videos_and_makes_others(lives: Lives) -> None:
    assert lives.video is not None
    assert lives.found_again == {
        "history": lives.video,
        "query": "video_ready",
        "database": [("long", "video_ready"), ("vid_1", "video_ready"), ("vid_2", "video_ready")],
        "video": lives.video.video.size,
    }


def test_a_video_in_flight_goes_on_when_the_stack_is_started_again(lives: Lives) -> None:
    """The simulated provider keeps its ledger: the clip it was making is made, and ordered once."""
    assert lives.carried_over is not None
    assert lives.video is not None
    assert lives.carried_over.total_cost_usd == lives.video.total_cost_usd


def test_every_address_is_the_same_after_a_restart(lives: Lives) -> None:
    assert lives.ports[0] == lives.ports[1]
    assert len(lives.ports[0]) >= 5


def test_everything_is_stopped_at_the_end(lives: Lives) -> None:
    assert sorted(_kind(command) for command in lives.running) == [
        "gateway",
        "kie simulator",
        "postgres",
        "temporal",
        "worker",
        "worker",
    ]
    assert lives.left == [[], []]


def _kind(command: str) -> str:
    kinds = {
        "simulators kie": "kie simulator",
        "-m gateway": "gateway",
        "worker.py": "worker",
        "server start-dev": "temporal",
    }
    return next((kind for sign, kind in kinds.items() if sign in command), "postgres")


def test_nobody_is_told_of_a_stack_that_has_ended(lives: Lives) -> None:
    assert not lives.published_afterwards
    assert read_addresses(lives.data) == {}


def test_content_lies_in_the_data_directory(lives: Lives) -> None:
    assert lives.video is not None
    assert (lives.data / "objects" / lives.video.video.key).stat().st_size == lives.video.video.size


def test_a_person_is_told_where_the_video_is(lives: Lives) -> None:
    assert lives.place.exists()


def test_the_addresses_are_for_us_alone(lives: Lives) -> None:
    """They hold the database's password."""
    assert (lives.data / "postgres" / "password").stat().st_mode & 0o077 == 0
    assert lives.modes == {lives.data.name: 0, ADDRESSES: 0}


def test_workers_write_one_json_object_per_line(lives: Lives) -> None:
    events = []
    for log in sorted((lives.data / "logs").glob("worker-*.log")):
        events += [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events.count("worker.ready") == events.count("worker.stopping") == 4
    assert "video.closed" in events


def test_a_stack_that_does_not_want_the_usual_ports_leaves_them_to_others(lives: Lives) -> None:
    if not lives.usual_port_was_free:
        pytest.skip("somebody else has them")
    assert lives.temporal_port != USUAL_TEMPORAL_PORT


HELPER = """
import asyncio, json, sys
from pathlib import Path
from local.stack import StackOptions, running_stack

async def main():
    options = StackOptions(data=Path(sys.argv[1]), kie=json.loads(sys.argv[2]), fixed_ports=False)
    async with running_stack(options):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_nothing_outlives_a_stack_that_is_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    command = [sys.executable, "-c", HELPER, str(data), json.dumps(KIE)]
    stack = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert stack.stdout is not None
    assert await stack.stdout.readline() == b"ready\n"
    assert len(processes_of(data)) == 7
    stack.kill()
    await stack.wait()

    async def left() -> list[str]:
        return await asyncio.to_thread(processes_of, data)

    await eventually(left, lambda processes: not processes, seconds=20)


async def test_who_does_not_listen_is_killed_in_the_end(stubborn: Stubborn) -> None:
    """The last tests here, because they began with the first one: `stop` is patient."""
    assert STOP_SECONDS <= await stubborn.stopping < STOP_SECONDS + 5
    assert not stubborn.process.running


async def test_a_worker_is_left_to_finish_an_order_unless_it_is_hurried(stubborn: Stubborn) -> None:
    assert WORKER_STOP_SECONDS > GRACE[TaskQueue.KLING].total_seconds() > STOP_SECONDS
    await stubborn.stopping
    assert stubborn.worker.running
    assert not stubborn.stack_stopping.done()
    stubborn.stack.hurry()
    await stubborn.stack_stopping
    assert not stubborn.worker.running
