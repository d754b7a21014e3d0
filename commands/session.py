"""What a command works with: settings, clients, and the words it ends with."""

import json
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from urllib.parse import unquote

from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from temporalio.client import Client

from commands.failures import ExitCode, Failure, end_with
from local.addresses import data_directory, read_addresses
from studio.contracts.texts import printable
from studio.objects.store import ObjectStore, open_store
from studio.secrets import keep_secret
from studio.settings import Settings, SettingsInvalid
from studio.store.pool import Database, open_database
from studio.store.videos import VideoStore
from workflows_temporal.client import connect_caller

USUAL_DATA = Path("data")
"""The data directory that is meant when a command names none."""
PIPE_WIDTH = 160
"""Columns of a table that goes into a file or a pipe."""


class Terminal(Console):
    """A console to which every text is only a text: no markup, no emoji codes, no escape sequences of others."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def tell(self, sentence: str) -> None:
        """A sentence on lines of its own, wrapped by the terminal and not by us."""
        self.print(sentence, highlight=False, soft_wrap=True)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """What is printed, also in the cells of a table; only rich's own control codes pass as they are."""
        for part in super().render(renderable, options):
            yield part if part.control else Segment(printable(part.text), part.style)


out = Terminal(width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Terminal(stderr=True)

WRONG_INPUT = ExitCode.WRONG_INPUT
FAILED = ExitCode.FAILED
UNAVAILABLE = ExitCode.UNAVAILABLE


@dataclass(kw_only=True)
class Stores:
    """What a command works with that neither starts nor asks anything."""

    settings: Settings
    database: Database
    objects: ObjectStore
    scratch: Path
    """A folder for files in the making; it is removed when the command ends."""


@dataclass(kw_only=True)
class Session(Stores):
    """The stack or the cluster a command talks to."""

    temporal: Client

    @property
    def videos(self) -> VideoStore:
        """Videos in PostgreSQL."""
        return VideoStore(self.database)

    def place(self, key: str) -> str:
        """Where a person finds what lies under `key`."""
        url = self.settings.object_store_url
        base = unquote(url.path or "") if url.scheme == "file" else str(url)
        return f"{base.rstrip('/')}/{key}"


def settings_for(data: Path) -> Settings:
    """The environment, and for what it does not say the stack that runs on `data`.

    From any folder: for the usual data directory `local.addresses.data_directory` says which stack is meant.
    """
    try:
        settings = Settings.from_env(read_addresses(data_directory(data, USUAL_DATA)))
        keep_secret(settings.secrets())
        return settings
    except SettingsInvalid as error:
        fail(f"{error}\nNo stack runs on {data}: start one with `starter.py up`, or set these.", code=WRONG_INPUT)


def settings_if_any(data: Path) -> Settings | None:
    """The same, or None: for commands that can do without a stack."""
    try:
        return Settings.from_env(read_addresses(data_directory(data, USUAL_DATA)))
    except SettingsInvalid:
        return None


@asynccontextmanager
async def open_stores(data: Path) -> AsyncIterator[Stores]:
    """PostgreSQL and the object store, without Temporal."""
    async with stores_of(settings_for(data)) as stores:
        yield stores


@asynccontextmanager
async def stores_of(settings: Settings) -> AsyncIterator[Stores]:
    """The stores these settings name."""
    async with open_database(settings.database_dsn(), connections=2) as database:
        with TemporaryDirectory(prefix="longtake-", ignore_cleanup_errors=True) as scratch:
            objects = open_store(settings.store_place())
            yield Stores(settings=settings, database=database, objects=objects, scratch=Path(scratch))


@asynccontextmanager
async def open_session(data: Path) -> AsyncIterator[Session]:
    """Connect to everything a command needs."""
    settings = settings_for(data)
    try:
        temporal = await connect_caller(**settings.temporal())
    except RuntimeError as error:
        fail(
            f"Temporal does not answer at {settings.temporal_address}: {error} - Start the stack with `starter.py up`, "
            "or check TEMPORAL_ADDRESS",
            code=UNAVAILABLE,
        )
    async with stores_of(settings) as stores:
        yield Session(
            settings=settings,
            database=stores.database,
            objects=stores.objects,
            scratch=stores.scratch,
            temporal=temporal,
        )


def show_json(value: BaseModel | Mapping[str, Any] | list[Any]) -> None:
    """A value as JSON on standard output, for programs."""
    print(printable(value.model_dump_json()) if isinstance(value, BaseModel) else json.dumps(value, default=str))


def fail(message: str, *, code: ExitCode = FAILED) -> NoReturn:
    """Say what is wrong, and end; with `--json` as JSON on standard error."""
    end_with(Failure(message, code), err)
