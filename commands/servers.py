"""`starter.py comfy servers`: the ComfyUI servers that have a worker."""

import asyncio

from rich.table import Table

from commands.options import DATA, Data, Json
from commands.session import fail, open_stores, out, show_json
from studio.errors import DatabaseUnavailable
from studio.store.gpu_servers import GpuServerStore


def list_servers(data: Data = DATA, as_json: Json = False) -> None:
    """List the servers whose workers live: which of them render for us, and why one is away."""

    async def run() -> None:
        async with open_stores(data) as stores:
            servers = await GpuServerStore(stores.database).there()
        if as_json:
            return show_json([server.model_dump(mode="json") for server in servers])
        if not servers:
            out.print("None: start a worker, COMFYUI_URL=http://… worker.py --queues gpu", highlight=False)
            return
        table = Table("server", "worker", "", box=None)
        for server in servers:
            table.add_row(server.name, server.worker, server.away or ("renders" if server.busy else "free"))
        out.print(table)

    try:
        asyncio.run(run())
    except DatabaseUnavailable as error:
        fail(str(error))
