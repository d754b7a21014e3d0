"""The result host: finished clips, until their link is too old."""

import asyncio
from collections import OrderedDict
from pathlib import Path

from aiohttp import web

from simulators.desk import Call, Desk
from simulators.files import file_answer
from simulators.kie.core import Core
from simulators.kie.links import Links
from simulators.wire import Answer, text_answer

CACHE_BYTES = 64 * 1024 * 1024


class Results:
    """`/v/<token>.mp4`, without any key."""

    def __init__(self, core: Core, links: Links, folder: Path) -> None:
        self._core = core
        self._links = links
        self._folder = folder
        self._cached: OrderedDict[str, bytes] = OrderedDict()

    def application(self, desk: Desk) -> web.Application:
        app = desk.application()
        for method in ("GET", "HEAD"):
            desk.add(app, method, "/v/{token}.mp4", "files", self.clip)
        return app

    async def clip(self, call: Call) -> Answer:
        now = self._core.now()
        link = self._links.by_token(call.part("token"))
        task = self._core.book.get(link.task_id) if link else None
        if link is None or task is None or task.clip is None:
            return text_answer("Not Found", 404, code=404)
        if not self._links.alive(link, now) or not self._links.kept(link, now):
            status = self._core.config.expired_status
            return text_answer("The link has expired", status, code=status)
        data = await self._read(task.clip)
        if call.request.method == "GET":
            self._core.ledger.note_download()
        kind = "text/html; charset=utf-8" if task.order.clip == "html" else "video/mp4"
        return file_answer(data, kind, call.headers.get("Range"))

    async def _read(self, name: str) -> bytes:
        if name in self._cached:
            self._cached.move_to_end(name)
            return self._cached[name]
        data = await asyncio.to_thread((self._folder / name).read_bytes)
        self._cached[name] = data
        while sum(map(len, self._cached.values())) > CACHE_BYTES and len(self._cached) > 1:
            self._cached.popitem(last=False)
        return data
