"""What a running prompt tells over the WebSocket, in the order and to the clients a real server does."""

import time
from typing import Any

from simulators.comfyui.core import Core
from simulators.comfyui.memory import Prompt
from simulators.comfyui.versions import PREVIEWS_PER_PROMPT

LEAST_CHANGE = 0.005
"""Of a node's way; smaller steps are not reported."""


class Progress:
    """The messages of one run. `messages` are those that /history keeps."""

    def __init__(self, core: Core, prompt: Prompt) -> None:
        self._core = core
        self._prompt = prompt
        self._nodes: dict[str, dict[str, Any]] = {}
        self._told_at = 0.0
        self._told_value = 0.0
        self._previews = _wants_previews(core, prompt)
        self.messages: list[list[Any]] = []

    def note(self, event: str, *, everybody: bool = False, **data: Any) -> None:
        """An event of the prompt as a whole: kept in its status. `everybody`: hears it where the prompt is nobody's."""
        told = {**data, "prompt_id": self._prompt.prompt_id, "timestamp": self._core.milliseconds()}
        self.messages.append([event, told])
        if everybody:
            self._core.hub.send(event, told, self._prompt.client_id)
        else:
            self._to_client(event, told)

    def begin(self, node: str) -> None:
        self._core.memory.node = node
        self._told_at = 0.0
        self._state(node, 0.0, 1.0, "running")
        self._to_client("executing", {"node": node, "display_node": node, "prompt_id": self._prompt.prompt_id})

    def tick(self, node: str, value: int, most: int) -> None:
        """Throttled; the first and the last step are always told."""
        now = time.monotonic()
        soon = now - self._told_at < self._core.config.throttle
        if 1 < value < most and (soon or value - self._told_value < LEAST_CHANGE * most):
            return
        self._told_at, self._told_value = now, value
        self._state(node, value, most, "running")
        told = {"value": value, "max": most, "prompt_id": self._prompt.prompt_id, "node": node}
        self._core.hub.send("progress", told, self._prompt.client_id)
        if self._previews:
            image = self._core.artist.preview(value)
            about = {key: node for key in ("node_id", "display_node_id", "real_node_id")}
            about |= {"prompt_id": self._prompt.prompt_id}
            self._core.hub.preview(image, about, self._prompt.client_id)

    def executed(self, node: str, output: dict[str, Any]) -> None:
        told = {"node": node, "display_node": node, "output": output, "prompt_id": self._prompt.prompt_id}
        self._to_client("executed", told)

    def finish(self, node: str) -> None:
        most = self._nodes[node]["max"]
        self._state(node, most, most, "finished")

    def over(self) -> None:
        """The last words, when history knows already."""
        self._core.hub.status()
        self._to_client("executing", {"node": None, "prompt_id": self._prompt.prompt_id})

    def _state(self, node: str, value: float, most: float, state: str) -> None:
        self._nodes[node] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._prompt.prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        told = {"prompt_id": self._prompt.prompt_id, "nodes": self._nodes}
        self._core.hub.send("progress_state", told, self._prompt.client_id)

    def _to_client(self, event: str, data: dict[str, Any]) -> None:
        if self._prompt.client_id is not None:
            self._core.hub.send(event, data, self._prompt.client_id)


def _wants_previews(core: Core, prompt: Prompt) -> bool:
    """Asked for per prompt, which older servers do not understand."""
    return core.config.has(PREVIEWS_PER_PROMPT) and prompt.extra.get("preview_method") not in (None, "none", "default")
