"""`starter.py doctor`: what is there, what is missing, and what to do about it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from rich.table import Table
from rich.text import Text

from commands import checkups
from commands.checkups import Finding
from commands.options import DATA, Data, Json
from commands.session import FAILED, out, settings_if_any, show_json
from studio.settings import Settings
from studio.store.pool import open_database

_COLOURS = {"ok": "green", "warning": "yellow", "missing": "red", "optional": "dim"}


def doctor(data: Data = DATA, as_json: Json = False) -> None:
    """Look at every part: servers, workers, gate, disk, database, key and credits, optional parts. Changes nothing.

    Ends with 1 when something is missing that videos need.
    """
    findings = asyncio.run(_findings(data))
    if as_json:
        show_json({"parts": [vars(one) for one in findings], "missing": _count(findings, "missing")})
    else:
        table = Table(box=None, show_header=False)
        for one in findings:
            table.add_row(one.part, Text(one.state, style=_COLOURS[one.state]), one.text)
        out.print(table)
        out.print(_summary(findings), highlight=False)
    if _count(findings, "missing"):
        raise SystemExit(FAILED)


async def _findings(data: Path) -> list[Finding]:
    settings = await asyncio.to_thread(settings_if_any, data)
    return [one async for one in _all(settings, data)]


async def _all(settings: Settings | None, data: Path) -> AsyncIterator[Finding]:
    if settings is None:
        yield Finding("stack", "missing", f"none runs on {data}, and no settings name one - start it: `starter.py up`")
        async for one in checkups.of_ports():
            yield one
    else:
        async for one in checkups.of_temporal(settings):
            yield one
        async with open_database(settings.database_dsn(), connections=2) as database:
            async for one in checkups.of_database(database):
                yield one
        async for one in checkups.of_objects(settings):
            yield one
        async for one in checkups.of_kie(settings):
            yield one
    async for one in checkups.of_optional_parts(settings):
        yield one


def _count(findings: list[Finding], state: str) -> int:
    return sum(one.state == state for one in findings)


def _summary(findings: list[Finding]) -> str:
    missing = _count(findings, "missing")
    if not missing:
        return "Everything that videos need is there"
    return f"{missing} {'part is' if missing == 1 else 'parts are'} missing"
