"""The WebSocket side: one socket per client id, and the mistake real servers make with two."""

import asyncio
import json
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from simulators.comfyui.config import ComfyConfig

FEATURES = {
    "supports_preview_metadata": True,
    "supports_model_type_tags": True,
    "max_upload_size": 104857600,
    "extension": {"manager": {"supports_v4": True}},
    "node_replacements": True,
    "assets": False,
}
PREVIEW, PREVIEW_WITH_METADATA = 1, 4
JPEG = 1
BACKLOG = 10_000
"""Messages a client may be behind; more are dropped."""


@dataclass(eq=False)
class Client:
    """One connection."""

    request: web.Request
    socket: web.WebSocketResponse
    features: dict[str, Any] = field(default_factory=dict)
    messages: asyncio.Queue[str | bytes] = field(default_factory=lambda: asyncio.Queue(BACKLOG))

    def post(self, message: str | bytes) -> None:
        if not self.messages.full():
            self.messages.put_nowait(message)

    async def deliver(self) -> None:
        while True:
            message = await self.messages.get()
            try:
                if isinstance(message, str):
                    await self.socket.send_str(message)
                else:
                    await self.socket.send_bytes(message)
            except (ConnectionError, RuntimeError):
                return


class Hub:
    """`late` gives (client id, node) of what runs now, for those who join late."""

    def __init__(
        self, config: ComfyConfig, remaining: Callable[[], int], late: Callable[[], tuple[str | None, str | None]]
    ):
        self._config = config
        self._remaining = remaining
        self._late = late
        self._clients: dict[str, Client] = {}
        self._open: set[Client] = set()

    # ── sending ──────────────────────────────────────────────────────────

    def send(self, event: str, data: dict[str, Any], client_id: str | None = None) -> None:
        """To one client, or to all."""
        self._post(json.dumps({"type": event, "data": data}), client_id)

    def status(self) -> None:
        self.send("status", self._status())

    def preview(self, image: bytes, metadata: dict[str, Any], client_id: str | None) -> None:
        """In the form each client has asked for."""
        plain = struct.pack(">II", PREVIEW, JPEG) + image
        told = json.dumps({**metadata, "image_type": "image/jpeg"}).encode()
        rich = struct.pack(">II", PREVIEW_WITH_METADATA, len(told)) + told + image
        for client in self._meant(client_id):
            client.post(rich if client.features.get("supports_preview_metadata") else plain)

    def _post(self, message: str | bytes, client_id: str | None) -> None:
        for client in self._meant(client_id):
            client.post(message)

    def _meant(self, client_id: str | None) -> list[Client]:
        if self._config.sockets == "muted":
            return []
        if client_id is None:
            return list(self._clients.values())
        return [self._clients[client_id]] if client_id in self._clients else []

    def _status(self) -> dict[str, Any]:
        return {"status": {"exec_info": {"queue_remaining": self._remaining()}}}

    # ── receiving ────────────────────────────────────────────────────────

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self._config.sockets == "refused":
            return web.Response(status=403, text="403: Forbidden")
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        sid = request.query.get("clientId") or uuid.uuid4().hex
        client = self._clients[sid] = Client(request, socket)
        self._open.add(client)
        delivery = asyncio.get_running_loop().create_task(client.deliver())
        try:
            self._greet(client, sid)
            await self._listen(client)
        finally:
            # Whoever is registered under this id now: that is how the newer socket gets muted.
            self._clients.pop(sid, None)
            self._open.discard(client)
            delivery.cancel()
        return socket

    def _greet(self, client: Client, sid: str) -> None:
        client.post(json.dumps({"type": "status", "data": {**self._status(), "sid": sid}}))
        client_id, node = self._late()
        if client_id == sid and node is not None and self._config.sockets == "ok":
            client.post(json.dumps({"type": "executing", "data": {"node": node}}))

    async def _listen(self, client: Client) -> None:
        first = True
        async for message in client.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            told = _object(message.data)
            if first and told.get("type") == "feature_flags":
                client.features = told.get("data") or {}
                client.post(json.dumps({"type": "feature_flags", "data": FEATURES}))
            first = False

    def drop(self) -> None:
        """Every connection breaks off without a farewell."""
        for client in list(self._open):
            if client.request.transport is not None:
                client.request.transport.abort()
        self._clients.clear()


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
