"""Which ComfyUI servers have a worker."""

from datetime import timedelta

from studio.store.gpu_servers import GpuServerStore
from studio.store.pool import Database


async def test_a_server_is_listed_as_its_worker_told_last(database: Database) -> None:
    store = GpuServerStore(database)
    await store.tell("http://gpu-1", "a/1", busy=False, away="502")
    await store.tell("http://gpu-1", "a/1", busy=True, away="")
    (server,) = await store.there()
    assert (server.name, server.worker, server.busy, server.away) == ("http://gpu-1", "a/1", True, "")


async def test_a_worker_that_tells_nothing_any_more_is_not_there(database: Database) -> None:
    store = GpuServerStore(database)
    await store.tell("http://gpu-1", "a/1", busy=False, away="")
    assert await store.there(within=timedelta(0)) == []
