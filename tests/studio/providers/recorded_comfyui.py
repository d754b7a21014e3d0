"""A server that repeats, over real HTTP, what real ComfyUI servers were recorded saying."""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.simulators.callers import serve

SAMPLES = Path(__file__).parent / "samples" / "comfyui"

NEW = "0.33.0"
OLD = "0.3.64"

TAKEN = "b238e962-97d7-465e-8b13-2f42c9beafe3"
"""The prompt of `prompt_ok.json` and `history_success.json`."""
FAILED = "f6b2be38-e1f7-4b9c-87f3-c5ec2dc9afd5"
INTERRUPTED = "a626bd06-88de-455b-9cd2-f3b320d873fc"
RUNNING = "30f9d3bd-703a-41b2-a539-d76c31039f68"
TWICE_QUEUED = "62d54064-66ee-4a5d-aca4-0dea36bfaaa6"
UNKNOWN = "00000000-0000-4000-8000-000000000000"

JOB_UNKNOWN = (404, {"error": "Job not found"})


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    line: str
    body: Any
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class RecordedComfy:
    """Answers by `METHOD /path`: a status and a body, or several of them, one after the other.

    A path without an answer is 404, to a POST 405: a server's last route takes every path, but only for GET.
    """

    version: str = NEW
    answers: dict[str, Any] = field(default_factory=dict)
    frames: list[str | bytes] = field(default_factory=list)
    """What the socket says once somebody is there; then it closes."""
    seen: list[Request] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    url: str = ""
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/ws", self._talk)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self.url = await serve(self._stack, app)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def lines(self, method: str = "") -> list[str]:
        """What was asked, in order, without questions about the version."""
        return [r.line for r in self.seen if r.line.startswith(method) and r.line != "GET /system_stats"]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        multipart = request.content_type.startswith("multipart/")
        body = await request.read()
        told = body if multipart or not body else json.loads(body)
        self.seen.append(Request(line, told, dict(request.query), dict(request.headers)))
        answer = self.answers.get(line)
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None and line == "GET /system_stats":
            answer = (200, {"system": {"comfyui_version": self.version}, "devices": []})
        return await _told(request, answer)

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.heard.append(request.query["clientId"])
        for frame in self.frames:
            await (socket.send_str(frame) if isinstance(frame, str) else socket.send_bytes(frame))
        self.heard.append(await socket.receive_str())
        return socket


async def _told(request: web.Request, answer: Any) -> web.StreamResponse:
    if answer is None:
        raise web.HTTPMethodNotAllowed("POST", ["GET", "HEAD"]) if request.method == "POST" else web.HTTPNotFound
    if answer == "hang up":
        assert request.transport is not None
        request.transport.abort()
        return web.Response()
    if answer == "hang":
        await asyncio.Event().wait()
    status, body = answer
    if isinstance(body, bytes):
        return web.Response(status=status, body=body)
    if isinstance(body, str):
        return web.Response(status=status, text=body)
    return web.json_response(body, status=status)
