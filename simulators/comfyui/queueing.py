"""The queue, the history, and the ways to stop what is in them."""

from typing import Any

from simulators.comfyui.core import Core
from simulators.comfyui.gpu import Gpu
from simulators.comfyui.memory import Past
from simulators.comfyui.words import trouble
from simulators.desk import Call
from simulators.wire import Answer, json_answer


class Queueing:
    """GET and POST /queue, GET /prompt, /history, POST /interrupt and /free."""

    def __init__(self, core: Core, gpu: Gpu) -> None:
        self._core = core
        self._gpu = gpu

    async def exec_info(self, call: Call) -> Answer:
        return json_answer({"exec_info": {"queue_remaining": self._core.memory.remaining}})

    async def queue(self, call: Call) -> Answer:
        self._core.ledger.count("polls")
        memory = self._core.memory
        running = [memory.running.item] if memory.running else []
        return json_answer({"queue_running": running, "queue_pending": [entry[3].item for entry in memory.pending]})

    async def edit_queue(self, call: Call) -> Answer:
        body = call.json_object()
        if body is None:
            return trouble()
        if body.get("clear"):
            self._gpu.clear_queue()
        for prompt_id in body.get("delete", []):
            self._gpu.dequeue(prompt_id)
        return Answer(b"", 200, "application/octet-stream")

    async def interrupt(self, call: Call) -> Answer:
        """With an id only that prompt; without a body whatever runs. A list makes the server stumble."""
        if call.body.lstrip()[:1] == b"[":
            return trouble()
        body = call.json_object() or {}
        self._gpu.interrupt(body.get("prompt_id") or None)
        return Answer(b"", 200, "application/octet-stream")

    async def history(self, call: Call) -> Answer:
        self._core.ledger.count("polls")
        entries = list(self._core.memory.history.items())
        if "max_items" in call.query:
            offset = int(call.query.get("offset", -1))
            most = int(call.query["max_items"])
            first = max(0, len(entries) - most) if offset < 0 else offset
            entries = entries[first : first + most]
        return json_answer({prompt_id: told(past) for prompt_id, past in entries})

    async def history_of(self, call: Call) -> Answer:
        self._core.ledger.count("polls")
        past = self._core.memory.history.get(call.part("prompt_id"))
        return json_answer({past.prompt.prompt_id: told(past)} if past else {})

    async def edit_history(self, call: Call) -> Answer:
        body = call.json_object()
        if body is None:
            return trouble()
        if body.get("clear"):
            self._core.memory.history.clear()
        for prompt_id in body.get("delete", []):
            self._core.memory.history.pop(prompt_id, None)
        return Answer(b"", 200, "application/octet-stream")

    async def free(self, call: Call) -> Answer:
        body = call.json_object()
        if body is None:
            return trouble()
        self._core.memory.free(*(part for part in ("free_memory", "unload_models") if body.get(part)))
        return Answer(b"", 200, "application/octet-stream")


def told(past: Past) -> dict[str, Any]:
    return {"prompt": past.prompt.item, "outputs": past.outputs, "status": past.status, "meta": past.meta}
