"""The embedded PostgreSQL after a crash."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg

from local.postgres import start_postgres
from tests.studio_at_work import eventually


async def test_a_killed_server_starts_again_once_its_last_session_has_ended(tmp_path: Path) -> None:
    server = await start_postgres(tmp_path / "data", logs=tmp_path, durable=False)
    session = await asyncpg.connect(server.url("postgres"))
    pid = int(await session.fetchval("select pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)  # as on a machine so busy that it does not notice the end of its server yet
    await server.process.kill()
    starting = asyncio.create_task(start_postgres(tmp_path / "data", logs=tmp_path, durable=False))

    async def refusals() -> int:
        if starting.done():
            await starting
        return (tmp_path / "postgres.log").read_text().count("pre-existing shared memory block")

    await eventually(refusals, lambda count: count >= 2)
    os.kill(pid, signal.SIGKILL)
    session.terminate()
    again = await starting
    assert again.process.running
    await again.stop()
