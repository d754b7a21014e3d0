"""A secret planted in the settings turns up nowhere: no history, no row, no log line, no media file."""

import base64
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import asyncpg
import httpx

from local.stack import Stack
from tests.end_to_end.conftest import PLANTED_KEY, Starter
from workflows_temporal.connection import connect


def spellings() -> dict[str, str]:
    """How a provider, or a proxy before it, may repeat our key."""
    once = quote(PLANTED_KEY, safe="")
    data = PLANTED_KEY.encode()
    return {
        "as it is": PLANTED_KEY,
        "JSON with \\/": PLANTED_KEY.replace("/", "\\/"),
        "JSON, escaped": "".join(f"\\u{ord(c):04x}" for c in PLANTED_KEY),
        "address": once,
        "address, twice": quote(once, safe=""),
        "base64": base64.b64encode(data).decode(),
        "base64 of the header": base64.b64encode(f"Bearer {PLANTED_KEY}".encode()).decode(),
        "hexadecimal": data.hex(),
        "hexadecimal, mixed": "".join(c.upper() if n % 2 else c for n, c in enumerate(data.hex())),
    }


async def test_the_key_appears_nowhere_even_when_the_provider_repeats_it_in_its_errors(
    stack: Stack, starter: Starter, video_file: Callable[..., Path]
) -> None:
    starter("video", "start", str(video_file("secret")), "--wait")
    said = await _provider_repeats_the_key(stack, starter, video_file)
    assert _guilty(said.encode()) == []
    assert await _in_histories(stack) == []
    assert await _in_database(stack) == []
    assert _in_files(stack.data) == []


def _guilty(content: bytes) -> list[str]:
    """The spellings that stand in it; JSON doubles backslashes."""
    plain = content.replace(b"\\\\", b"\\")
    return [name for name, spelled in spellings().items() if spelled.encode() in plain]


async def _provider_repeats_the_key(stack: Stack, starter: Starter, video_file: Callable[..., Path]) -> str:
    """Refusals, unclear answers and failures of accepted orders, a clip for each spelling; what the terminal said."""
    words = [f"bad header Authorization: Bearer {spelled}" for spelled in spellings().values()]
    kinds = [
        {"route": "createTask", "match": "of echo422 ", "script": [{"body_code": 422, "msg": word} for word in words]},
        {"route": "createTask", "match": "of echo500 ", "script": [{"body_code": 500, "msg": word} for word in words]},
    ]
    said = ""
    async with httpx.AsyncClient() as http:
        for rule in kinds:
            (await http.post(f"{stack.kie['admin_url']}/__sim/faults", json=rule)).raise_for_status()
            name = str(rule["match"]).split()[1]
            path = video_file(name, length=len(words), changes={"on_unknown": "fail"})
            done = starter("video", "start", str(path), "--wait", check=False)
            assert done.returncode == 1, done.stderr
            said += done.stdout + done.stderr + starter("video", "show", name, check=False).stdout
            said += starter("lost", "list", check=False).stdout
        await http.post(f"{stack.kie['admin_url']}/__sim/reset", json={"only": ["faults"]})
    assert "KIE.ai refused the request (422): bad header" in said
    return said


async def _in_histories(stack: Stack) -> list[str]:
    client = await connect(stack.temporal.address)
    guilty, events = [], 0
    async for run in client.list_workflows():
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        for event in history.events:
            events += 1
            guilty += [f"{run.id}: {name}" for name in _guilty(event.SerializeToString())]
    assert events > 100
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
            guilty += [f"{table}: {name}" for row in rows for name in _guilty(row["row"].encode())]
        assert "submissions" in tables
        return guilty
    finally:
        await connection.close()


def _in_files(data: Path) -> list[str]:
    """All files of the stack but the one that tells the command line how to reach it, and the servers' own."""
    ours = [path for folder in ("logs", "objects", "work") for path in (data / folder).rglob("*") if path.is_file()]
    assert any(path.suffix == ".mp4" for path in ours)
    assert any(path.name.startswith("worker-") for path in ours)
    return [f"{path}: {name}" for path in ours for name in _guilty(path.read_bytes())]
