"""Many at once: the simulator must not be what a benchmark measures."""

import asyncio
import json
import time
from typing import Any

import httpx

from simulators.kie import KieSimulator
from tests.simulators.callers import order


def created(prompt: str) -> bytes:
    body = json.dumps(order(prompt)).encode()
    return _request("POST /api/v1/jobs/createTask", f"Content-Length: {len(body)}\r\n", body)


def looked(task_id: str) -> bytes:
    return _request(f"GET /api/v1/jobs/recordInfo?taskId={task_id}")


def _request(line: str, headers: str = "", body: bytes = b"") -> bytes:
    return f"{line} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer sim-key\r\n{headers}\r\n".encode() + body


async def send(kie: KieSimulator, requests: list[bytes], *, connections: int = 8) -> float:
    """Send them all, over bare sockets: a comfortable client would cost more than the simulator. Gives CPU seconds."""
    url = httpx.URL(kie.api_url)

    async def some(part: list[bytes]) -> None:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        for request in part:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            assert json.loads(await reader.readexactly(length))["code"] == 200
        writer.close()
        await writer.wait_closed()

    started = time.process_time()
    await asyncio.gather(*(some(requests[place::connections]) for place in range(connections)))
    return time.process_time() - started


async def test_twenty_thousand_tasks_do_not_slow_it_down(start_kie: Any) -> None:
    kie = await start_kie(rate_limit=0, poll_limit=0, credits=10**9, duration=(3_600, 7_200))

    async def cost(word: str) -> float:
        """CPU seconds of this process, client and server, for 500 orders and 500 looks."""
        ids = [task.task_id for task in kie.ledger.tasks][:500]
        looks = [looked(task_id) for task_id in ids * (500 // len(ids))]
        return await send(kie, [created(f"{word} {number}") for number in range(500)] + looks)

    await send(kie, [created(f"first {number}") for number in range(100)])
    few = min([await cost(f"few {turn}") for turn in range(3)])
    await send(kie, [created(f"bulk {number}") for number in range(20_000)])
    many = min([await cost(f"many {turn}") for turn in range(3)])
    assert kie.ledger.accepted == kie.ledger.in_flight == 23_100
    assert many < few * 3

    started = time.process_time()
    kie.advance(7_200)
    assert (kie.ledger.in_flight, kie.ledger.counters()["succeeded"]) == (0, 23_100)
    assert time.process_time() - started < many * 46  # no task costs more at its end than at its beginning
