"""The client side of these tests: a small KIE client, a callback receiver, a host of stills."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from io import BytesIO
from typing import Any, Self

import httpx
from aiohttp import web
from PIL import Image

from simulators.kie import KieSimulator

TURBO = "kling/v2-5-turbo-image-to-video-pro"
ELSEWHERE = "http://stills.example/clip.png"


async def until(check: Callable[[], Any], seconds: float = 240.0) -> Any:
    """Look until there is something to see."""
    deadline = time.monotonic() + seconds
    while not (seen := check()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
    return seen


def impatient(seconds: float) -> httpx.Timeout:
    """Waits so long for an answer; a busy machine may take its time to connect."""
    return httpx.Timeout(60, read=seconds)


def png(width: int = 64, height: int = 36, colour: tuple[int, int, int] = (200, 60, 30), form: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (width, height), colour).save(file, form)
    return file.getvalue()


def order(
    prompt: str = "A harbour at dawn. Slow dolly in.", *, callback: str | None = None, **given: Any
) -> dict[str, Any]:
    """A createTask body for 2.5 turbo pro."""
    body: dict[str, Any] = {
        "model": TURBO,
        "input": {"prompt": prompt, "image_url": ELSEWHERE, "duration": "5", **given},
    }
    return body if callback is None else {**body, "callBackUrl": callback}


class KieCaller:
    """A client of the api host that knows its key and nothing else."""

    def __init__(self, kie: KieSimulator, key: str = "sim-key", **options: Any) -> None:
        headers = {"Authorization": f"Bearer {key}", **options.pop("headers", {})}
        self.http = httpx.AsyncClient(base_url=kie.api_url, headers=headers, timeout=60, verify=False, **options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def create(self, body: dict[str, Any] | None = None) -> httpx.Response:
        return await self.http.post("/api/v1/jobs/createTask", json=body or order())

    async def task(self, body: dict[str, Any] | None = None) -> str:
        """Create one that has to be accepted."""
        told = (await self.create(body)).json()
        assert told["code"] == 200, told
        return str(told["data"]["taskId"])

    async def look(self, task_id: str) -> dict[str, Any]:
        told: dict[str, Any] = (await self.record(task_id)).json()
        assert told["code"] == 200, told
        data: dict[str, Any] = told["data"]
        return data

    async def record(self, task_id: str) -> httpx.Response:
        return await self.http.get("/api/v1/jobs/recordInfo", params={"taskId": task_id})

    async def credit(self) -> float:
        return float((await self.http.get("/api/v1/chat/credit")).json()["data"])

    async def ended(self, task_id: str, seconds: float = 240.0) -> dict[str, Any]:
        """Look until the task has come to its end; being told to look less often is no reason to stop."""
        deadline = time.monotonic() + seconds
        while True:
            told = (await self.record(task_id)).json()
            assert told["code"] in (200, 429), told
            if told["code"] == 200 and told["data"]["state"] in ("success", "fail"):
                data: dict[str, Any] = told["data"]
                return data
            assert time.monotonic() < deadline, told
            await asyncio.sleep(0.02)

    async def url(self, task_id: str) -> str:
        return str(json.loads((await self.ended(task_id))["resultJson"])["resultUrls"][0])


class Receiver:
    """Takes callbacks, and answers them as it is told."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []
        self.delay = 0.0
        self._stack = AsyncExitStack()
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self.url = f"{await serve(self._stack, app)}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def task_ids(self) -> list[str]:
        return [body["data"]["taskId"] for body in self.bodies]

    async def _take(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        self.texts.append((await request.read()).decode())
        self.bodies.append(json.loads(self.texts[-1].lstrip("\ufeff"), strict=False))
        await asyncio.sleep(self.delay)
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)


class Stills:
    """A host of pictures, some of which are none."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self.url = ""
        self.asked = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{name}", self._give)
        self.url = await serve(self._stack, app)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _give(self, request: web.Request) -> web.Response:
        self.asked += 1
        match request.match_info["name"]:
            case "moved.png":
                raise web.HTTPFound("/good.png")
            case "page.png":
                return web.Response(text="<html>no picture</html>", content_type="text/html")
            case "large.png":
                return web.Response(body=png() + bytes(11 * 1024 * 1024), content_type="image/png")
            case "good.png":
                return web.Response(body=png(), content_type="image/png")
            case "good.jpg":
                return web.Response(body=png(form="JPEG"), content_type="image/jpeg")
        raise web.HTTPNotFound


async def serve(stack: AsyncExitStack, app: web.Application) -> str:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return f"http://127.0.0.1:{site.port}"
