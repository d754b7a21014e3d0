"""The other side for every test: a Temporal dev server, PostgreSQL and simulators, all real, all on loopback."""

import gc
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from local.postgres import Postgres, start_postgres
from simulators.comfyui import ComfyConfig, ComfySimulator
from simulators.kie import KieConfig, KieSimulator
from studio.store.migrate import migrate
from studio.store.pool import Database, open_database
from tests.databases import TEMPLATE, Databases
from tests.dev_server import connect_patiently, dev_server
from tests.schedule import SLOW, ByFile, rank
from tests.studio_at_work import HEIGHT, WIDTH, StudioAtWork, make_studio
from workflows_temporal.addresses import TaskQueue
from workflows_temporal.connection import ensure_search_attributes

NOBODY = "http://127.0.0.1:9"
"""Where nobody listens."""
SPEED = 100.0
"""How much faster than real the simulated provider's clock runs in tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--comfyui-url", help="a real ComfyUI server for the tests marked comfyui")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.nodeid.startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is there before the first test stays until the end: the collector does not go through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return ByFile(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture(scope="session")
async def temporal_address(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One dev server for all tests."""
    async with dev_server(tmp_path_factory.mktemp("temporal")) as address:
        yield address


@pytest.fixture
async def temporal(temporal_address: str) -> Client:
    """A client in a namespace of the test's own: queues, the gate and workflow ids are as in production."""
    namespace = f"test-{uuid.uuid4().hex[:12]}"
    client = await connect_patiently(temporal_address, namespace)
    await client.workflow_service.register_namespace(
        RegisterNamespaceRequest(namespace=namespace, workflow_execution_retention_period=Duration(seconds=3 * 86_400))
    )
    await ensure_search_attributes(client)
    return client


@pytest.fixture(scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """One PostgreSQL for all tests, with a migrated database to copy."""
    folder = tmp_path_factory.mktemp("postgres")
    server = await start_postgres(folder / "data", logs=folder, durable=False)
    template = await server.ensure_database(TEMPLATE)
    async with open_database(template) as database:
        await migrate(database)
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def databases(postgres: Postgres) -> Databases:
    """The databases there are for tests."""
    databases = Databases(postgres)
    await databases.prepare()
    return databases


@pytest.fixture
async def database_url(databases: Databases) -> AsyncIterator[str]:
    """A database of the test's own, with today's schema."""
    name = await databases.take()
    yield databases.server.url(name)
    await databases.give_back(name)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's database, opened."""
    async with open_database(database_url) as opened:
        yield opened


@pytest.fixture
async def kie() -> AsyncIterator[KieSimulator]:
    """KIE.ai with tiny ready-made clips and a fast clock."""
    config = KieConfig(speed=SPEED, clips="placeholder", placeholder_size=(WIDTH, HEIGHT), duration=(30.0, 60.0))
    async with KieSimulator(config) as simulator:
        yield simulator


@pytest.fixture
async def studio(temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path) -> AsyncIterator[StudioAtWork]:
    """All our queues served in this process by the production composition root, against the simulated KIE.ai."""
    async with _at_work(temporal, database_url, kie, tmp_path) as at_work:
        yield at_work


@pytest.fixture
async def studio_with_callbacks(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """A studio whose orders ask for a callback, to where nobody listens: tests tell callbacks by hand."""
    async with _at_work(temporal, database_url, kie, tmp_path, kie_callback_url=NOBODY) as at_work:
        yield at_work


@pytest.fixture
async def rarely_looking(
    temporal: Client, database_url: str, kie: KieSimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """One that looks at its tasks every half minute of our time, and asks for callbacks."""
    rare = {"kling_look_min_seconds": 30, "kling_look_max_seconds": 30, "kie_speed": 1}
    async with _at_work(temporal, database_url, kie, tmp_path, kie_callback_url=NOBODY, **rare) as at_work:
        yield at_work


@pytest.fixture
async def comfy() -> AsyncIterator[ComfySimulator]:
    """A ComfyUI server with ready-made files and a fast clock."""
    async with ComfySimulator(ComfyConfig(speed=SPEED, files="placeholder", prompt_seconds=20)) as simulator:
        yield simulator


@pytest.fixture
async def gpu_studio(
    temporal: Client, database_url: str, kie: KieSimulator, comfy: ComfySimulator, tmp_path: Path
) -> AsyncIterator[StudioAtWork]:
    """A studio with the queue gpu, for the one server `comfy`."""
    async with AsyncExitStack() as stack:
        at_work = make_studio(
            temporal, database_url, kie, tmp_path, stack, comfyui_url=comfy.urls["api_url"], comfyui_rest_seconds=0.5
        )
        await at_work.open(TaskQueue.STUDIO, TaskQueue.MEDIA, TaskQueue.GPU)
        yield at_work


@asynccontextmanager
async def _at_work(
    temporal: Client, database_url: str, kie: KieSimulator, folder: Path, **changes: Any
) -> AsyncIterator[StudioAtWork]:
    async with AsyncExitStack() as stack:
        at_work = make_studio(temporal, database_url, kie, folder, stack, **changes)
        await at_work.open()
        yield at_work
