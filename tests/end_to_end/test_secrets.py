"""A secret planted in the settings turns up nowhere: no history, no row, no log line, no media file."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx

from local.stack import Stack
from tests.end_to_end.conftest import PLANTED_KEY, Starter
from workflows_temporal.connection import connect


async def test_the_key_appears_nowhere_even_when_the_provider_repeats_it_in_its_errors(
    stack: Stack, starter_process: Starter, film_file: Callable[..., Path]
) -> None:
    starter_process("film", "start", str(film_file("secret")), "--wait")
    await _provider_repeats_the_key(stack, starter_process, film_file)
    assert await _in_histories(stack) == []
    assert await _in_database(stack) == []
    assert _in_files(stack.data) == []


async def _provider_repeats_the_key(stack: Stack, starter_process: Starter, film_file: Callable[..., Path]) -> None:
    rule = {
        "route": "createTask",
        "match": "Boat",
        "script": [{"body_code": 422, "msg": f"bad header Authorization: Bearer {PLANTED_KEY}"}],
        "repeat": True,
    }
    async with httpx.AsyncClient() as http:
        (await http.post(f"{stack.kie['admin_url']}/__sim/faults", json=rule)).raise_for_status()
        done: subprocess.CompletedProcess[str] = starter_process(
            "film", "start", str(film_file("echo", length=1)), "--wait", check=False
        )
        await http.post(f"{stack.kie['admin_url']}/__sim/reset", json={"only": ["faults"]})
    assert done.returncode == 1
    assert "KIE.ai refused the request (422): bad header" in done.stderr
    assert PLANTED_KEY not in done.stdout + done.stderr


async def _in_histories(stack: Stack) -> list[str]:
    client = await connect(stack.temporal.address)
    guilty = []
    async for run in client.list_workflows():
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        if PLANTED_KEY in history.to_json():
            guilty.append(run.id)
    return guilty


async def _in_database(stack: Stack) -> list[str]:
    connection = await asyncpg.connect(stack.environment["DATABASE_URL"])
    try:
        tables = [
            row["tablename"]
            for row in await connection.fetch("select tablename from pg_tables where schemaname = 'public'")
        ]
        guilty = []
        for table in tables:
            rows = await connection.fetch(f'select row_to_json(t)::text as row from "{table}" t')
            guilty += [table for row in rows if PLANTED_KEY in row["row"]]
        assert "submissions" in tables
        return guilty
    finally:
        await connection.close()


def _in_files(data: Path) -> list[str]:
    """All files of the stack but the one that tells the command line how to reach it, and the servers' own."""
    ours = [path for folder in ("logs", "objects", "work") for path in (data / folder).rglob("*") if path.is_file()]
    assert any(path.suffix == ".mp4" for path in ours)
    assert any(path.name.startswith("worker-") for path in ours)
    return [str(path) for path in ours if PLANTED_KEY.encode() in path.read_bytes()]
