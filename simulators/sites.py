"""Ports: one listening host of a simulated service, which can also be down."""

from aiohttp import web


class Site:
    """A host name of the service: here a port. Down means that connections are refused."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        self._host = host
        self._port = port
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        await self._runner.setup()
        await self.up()

    async def stop(self) -> None:
        await self._runner.cleanup()
        self._site = None

    async def up(self) -> None:
        if self._site is None:
            site = web.TCPSite(self._runner, self._host, self._port, reuse_address=True)
            await site.start()
            self._site, self._port = site, site.port

    async def down(self) -> None:
        """Stop listening, and drop who is connected: a pooled connection must not outlive its host."""
        if self._site is None:
            return
        await self._site.stop()
        self._site = None
        server = self._runner.server
        for connection in list(server.connections) if server else []:
            if connection.transport is not None:
                connection.transport.abort()
