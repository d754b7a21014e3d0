"""POST /prompt: what is taken, what is refused, and what makes the server stumble."""

import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

from simulators.comfyui.config import RunOrder
from simulators.comfyui.core import Core
from simulators.comfyui.memory import Prompt
from simulators.comfyui.validation import Graph, validate
from simulators.comfyui.versions import CHECKED_IDS, CREATE_TIME
from simulators.comfyui.words import refused, trouble
from simulators.desk import Call
from simulators.faults import Text
from simulators.wire import Answer, json_answer

NO_PROMPT = "No prompt provided"
NO_UUID = (
    "prompt_id must be a UUID string in canonical lowercase hyphenated form; omit it to let the server generate one"
)


class Submission:
    """`die` is called when a body takes the whole server down."""

    def __init__(self, core: Core, die: Callable[[], None]) -> None:
        self._core = core
        self._die = die

    async def post(self, call: Call) -> Answer:
        try:
            body = json.loads(call.body)
            number = self._number(body)
            if "prompt" not in body:
                self._core.ledger.count("rejected")
                return refused("no_prompt", NO_PROMPT, NO_PROMPT)
            prompt_id = self._prompt_id(body)
            if prompt_id is None:
                self._core.ledger.count("rejected")
                return refused("invalid_prompt_id", "prompt_id must be a valid UUID", NO_UUID)
            core, targets = self._core, body.get("partial_execution_targets")
            verdict = validate(body["prompt"], core.schema, core.storage.exists, targets)
            extra = self._extra(body)
        except (ValueError, TypeError, AttributeError, KeyError):
            return trouble()
        if verdict.error is not None:
            self._core.ledger.count("rejected")
            answer = {"error": verdict.error, "node_errors": verdict.node_errors}
            return json_answer(answer, 400, code=verdict.error["type"])
        twin = self._core.memory.waits(number, prompt_id)
        self.accept(prompt_id, body["prompt"], verdict.outputs, extra, number, Text("", call.body))
        if isinstance(extra.get("client_id"), list):
            self._die()
        if twin:
            return trouble()  # two entries of the heap cannot be told apart, and yet both are in it
        return json_answer({"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors})

    def accept(
        self, prompt_id: str, graph: Graph, outputs: list[str], extra: dict[str, Any], number: float, text: Text,
        *, order: RunOrder | None = None, foreign: bool = False,
    ) -> Prompt:  # fmt: skip
        """Into the queue it goes, whoever sent it and however often."""
        core = self._core
        created = core.milliseconds()
        if core.config.has(CREATE_TIME):
            extra["create_time"] = created
        client_id = extra.get("client_id")
        entry = core.ledger.accept(
            prompt_id,
            graph_hash=hashlib.sha256(json.dumps(graph, sort_keys=True).encode()).hexdigest()[:16],
            prefix=_prefix(graph),
            client_id=client_id if isinstance(client_id, str) else None,
            foreign=foreign,
        )
        ordered = order or core.orders.draw("run", text) or RunOrder()
        prompt = Prompt(number, prompt_id, graph, extra, outputs, created, entry, ordered)
        core.memory.put(prompt)
        core.hub.status()
        return prompt

    def _number(self, body: dict[str, Any]) -> float:
        """Lower is sooner. The counter grows whatever becomes of the prompt."""
        if "number" in body:
            return float(body["number"])
        number = self._core.memory.next_number()
        return -number if body.get("front") else number

    def _prompt_id(self, body: dict[str, Any]) -> str | None:
        """None: refused. Older servers take anything, and make "None" of null."""
        if not self._core.config.has(CHECKED_IDS):
            return str(body["prompt_id"]) if "prompt_id" in body else str(uuid.uuid4())
        given = body.get("prompt_id")
        if given is None:
            return str(uuid.uuid4())
        return given if is_canonical(given) else None

    def _extra(self, body: dict[str, Any]) -> dict[str, Any]:
        extra = body.get("extra_data", {})
        if not isinstance(extra, dict):
            raise TypeError("extra_data")
        return {**extra, "client_id": body["client_id"]} if "client_id" in body else dict(extra)


def is_canonical(given: Any) -> bool:
    """A lowercase UUID with hyphens."""
    try:
        return isinstance(given, str) and str(uuid.UUID(given)) == given
    except ValueError:
        return False


def _prefix(graph: Graph) -> str:
    prefixes = (node["inputs"].get("filename_prefix") for node in graph.values())
    return next((prefix for prefix in prefixes if isinstance(prefix, str)), "")
