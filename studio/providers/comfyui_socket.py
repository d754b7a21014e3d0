"""ComfyUI's WebSocket: how far a prompt is, and what it looks like. A hint, never the truth.

Nothing is replayed to whoever comes late or comes back. Two sockets with one client id: the newer gets the messages,
and goes silent for good when the older closes; so every submission takes a client id of its own.
"""

import json
import struct
import uuid
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from studio.providers import _foreign
from studio.providers._border import unforeseen

LARGEST_FRAME = 16 * 1024 * 1024
MOST_NODES = 2_000
"""Nodes whose progress is kept; the largest graphs have some hundreds."""
_PING_SECONDS = 20.0  # the server sends none of its own
_CLOSE_SECONDS = 1.0

_FEATURES = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
_PREVIEW, _PREVIEW_WITH_METADATA = 1, 4
_MIMES = {1: "image/jpeg", 2: "image/png"}


@dataclass(frozen=True)
class ComfyProgress:
    """How far a prompt is, as the server last told."""

    node: str | None = None
    """The node that works just now."""
    value: float = 0
    """Its steps that are done, of `of`."""
    of: float = 1
    done: frozenset[str] = frozenset()
    """The nodes that are finished, those of the cache included."""
    shares: Mapping[str, float] = field(default_factory=dict)
    """Every node that has begun, and how much of it is done: 0 to 1."""
    queue_remaining: int | None = None
    """Prompts on the server, of anybody, the running one included."""

    def fraction(self, weights: Mapping[str, float]) -> float:
        """How much of the whole is done, 0 to 1, when these nodes take so long beside each other.

        In a graph of two passes the steps are counted twice, node by node: only weights make one number of them.
        """
        whole = sum(weights.values())
        parts = (
            weight * (1.0 if node in self.done else self.shares.get(node, 0.0)) for node, weight in weights.items()
        )
        return min(sum(parts) / whole, 1.0) if whole else 0.0


@dataclass(frozen=True)
class ComfyPreview:
    """A picture of what a node is making."""

    image: bytes
    mime: str
    node: str | None = None


def new_client_id() -> str:
    """A client id nobody has used: take one per submission."""
    return uuid.uuid4().hex


async def watch_prompt(url: str, prompt_id: str, client_id: str) -> AsyncGenerator[ComfyProgress | ComfyPreview, None]:
    """What the socket at `url` tells of a prompt, until the server is through with it or the line breaks.

    The first hint comes as soon as the socket is open. That it ended says nothing but "look now".
    """
    told = Story(prompt_id)
    try:
        async with connect(
            f"{url}?clientId={client_id}",
            max_size=LARGEST_FRAME,
            ping_interval=_PING_SECONDS,
            ping_timeout=_PING_SECONDS,
            close_timeout=_CLOSE_SECONDS,
        ) as socket:
            await socket.send(_FEATURES)
            async for frame in socket:
                for hint in told.hear(frame):
                    yield hint
                if told.over:
                    return
    except (TimeoutError, WebSocketException, OSError):
        return
    except Exception as odd:
        unforeseen("ComfyUI", odd)
        return


class Story:
    """One prompt's progress, put together from the frames."""

    def __init__(self, prompt_id: str) -> None:
        self.over = False
        self._prompt_id = prompt_id
        self._now = ComfyProgress()

    def hear(self, frame: str | bytes) -> list[ComfyProgress | ComfyPreview]:
        """What a frame says that is new; nothing when it is about another prompt or makes no sense."""
        try:
            if isinstance(frame, bytes):
                preview = preview_of(frame, self._prompt_id)
                return [preview] if preview is not None else []
            return self._hear_message(_foreign.object_in(frame))
        except Exception:  # a hint, whatever is wrong with it
            return []

    def _hear_message(self, message: dict[str, Any]) -> list[ComfyProgress | ComfyPreview]:
        kind, data = message["type"], message["data"]
        before = self._now
        if kind == "status":
            remaining = _foreign.count(data["status"]["exec_info"]["queue_remaining"])
            self._now = replace(before, queue_remaining=before.queue_remaining if remaining is None else remaining)
        elif data.get("prompt_id", self._prompt_id) == self._prompt_id:
            self._hear_of_ours(kind, data)
        return [self._now] if self._now != before else []

    def _hear_of_ours(self, kind: str, data: dict[str, Any]) -> None:
        """A message about our prompt. Who joins late gets an `executing` without prompt id: it is ours too."""
        now = self._now
        match kind:
            case "execution_cached":
                self._now = replace(now, done=now.done | {_node(node) for node in data["nodes"][:MOST_NODES]})
            case "executing" if data["node"] is None:
                self.over = "prompt_id" in data
            case "executing":
                self._now = replace(now, node=_node(data["node"]))
            case "progress":
                self._now = _at(now, _node(data["node"]), data["value"], data["max"])
            case "progress_state":
                self._now = _at_all(now, data["nodes"])
            case "executed" if len(now.done) < MOST_NODES:
                self._now = replace(now, done=now.done | {_node(data["node"])})


def preview_of(frame: bytes, prompt_id: str) -> ComfyPreview | None:
    """A binary frame's picture; None when it is none, or another prompt's.

    Raises:
        struct.error: it is too short.
    """
    (event,) = struct.unpack_from(">I", frame)
    if event == _PREVIEW:
        (kind,) = struct.unpack_from(">I", frame, 4)
        return ComfyPreview(frame[8:], _MIMES.get(kind, "image/jpeg"))
    if event == _PREVIEW_WITH_METADATA:
        (length,) = struct.unpack_from(">I", frame, 4)
        about = _foreign.object_in(frame[8 : 8 + length].decode(errors="replace"))
        if about.get("prompt_id", prompt_id) == prompt_id:
            node = _foreign.ident(about.get("display_node_id")) or _foreign.ident(about.get("node_id"))
            mime = next((mime for mime in _MIMES.values() if mime == about.get("image_type")), "image/jpeg")
            return ComfyPreview(frame[8 + length :], mime, node)
    return None


def _node(value: object) -> str:
    """A node's id.

    Raises:
        ValueError: it is none.
    """
    found = _foreign.ident(value)
    if found is None and value != 0:
        raise ValueError
    return found or "0"


def _at(now: ComfyProgress, node: str, value: object, of: object) -> ComfyProgress:
    done, whole = _foreign.real(value), _foreign.real(of)
    if done is None or whole is None or (node not in now.shares and len(now.shares) >= MOST_NODES):
        return now
    share = min(max(done / whole, 0.0), 1.0) if whole > 0 else 0.0
    return replace(now, node=node, value=done, of=whole, shares={**now.shares, node: share})


def _at_all(now: ComfyProgress, nodes: Mapping[str, Mapping[str, Any]]) -> ComfyProgress:
    for node, state in list(nodes.items())[:MOST_NODES]:
        if state["state"] == "finished":
            now = replace(now, done=now.done | {_node(node)}, shares={**now.shares, _node(node): 1.0})
        elif state["state"] == "running":
            now = _at(now, _node(node), state["value"], state["max"])
    return now
